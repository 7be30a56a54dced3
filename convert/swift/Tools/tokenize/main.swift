// Tokenizes texts for the tests and benchmarks in Python.
//
//   tokenize METADATA [LENGTH] <texts >ids    rows, cut at a length
//   tokenize METADATA time <texts             a line of JSON with CPU seconds for each line of input
//
// METADATA is a JSON file with a model's user-defined metadata. A text is preceded by its length in
// bytes, and a row by its number of ids; all numbers are little-endian with 32 bits.
import Foundation
import TextClassifierKit

func texts(in data: Data) -> [String] {
    data.withUnsafeBytes { bytes in
        var found: [String] = []
        var start = 0
        while start < bytes.count {
            let length = Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: start, as: UInt32.self)))
            found.append(String(decoding: bytes[start + 4 ..< start + 4 + length], as: UTF8.self))
            start += 4 + length
        }
        return found
    }
}

let arguments = CommandLine.arguments
let metadata = try JSONDecoder().decode([String: String].self, from: Data(contentsOf: URL(fileURLWithPath: arguments[1])))
let tokenizer = try Tokenizer(metadata: metadata)
let input = FileHandle.standardInput.readDataToEndOfFile()
let length = arguments.count > 2 ? Int(arguments[2]) : nil
var output = Data()
for text in texts(in: input) {
    let ids = tokenizer.encode(text, maxLength: length).inputIDs
    withUnsafeBytes(of: UInt32(ids.count).littleEndian) { output.append(contentsOf: $0) }
    ids.withUnsafeBytes { output.append(contentsOf: $0) }
}
FileHandle.standardOutput.write(output)
