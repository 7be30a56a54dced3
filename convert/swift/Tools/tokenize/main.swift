// Tokenizes texts for the tests and benchmarks in Python:
//
//   tokenize METADATA [LENGTH] <texts >rows   rows of ids, cut at a length
//   tokenize METADATA time FILE               measures: see `Stopwatch`
//
// METADATA is a JSON file with a model's user-defined metadata. Before each text stands its length
// in bytes, and before each row its number of ids; all numbers are little-endian with 32 bits.
import Foundation
import TextClassifierKit

do {
    let arguments = CommandLine.arguments.dropFirst()
    guard let path = arguments.first, arguments.count <= 3 else {
        throw Failure("use: tokenize METADATA [LENGTH], or tokenize METADATA time FILE")
    }
    let metadata = try JSONDecoder().decode([String: String].self, from: contents(of: path))
    if arguments.count == 3, let file = arguments.last {
        try Stopwatch(metadata: metadata, texts: texts(in: contents(of: file))).answerLines()
    } else {
        let length = try arguments.dropFirst().first.map(length(from:))
        try writeRows(of: Tokenizer(metadata: metadata), length: length)
    }
} catch {
    FileHandle.standardError.write(Data("error: \(error.localizedDescription)\n".utf8))
    exit(1)
}

func writeRows(of tokenizer: Tokenizer, length: Int?) throws {
    var rows = Data()
    for text in try texts(in: FileHandle.standardInput.readToEnd() ?? Data()) {
        let ids = tokenizer.encode(text, maxLength: length).inputIDs.map(\.littleEndian)
        withUnsafeBytes(of: UInt32(ids.count).littleEndian) { rows.append(contentsOf: $0) }
        ids.withUnsafeBytes { rows.append(contentsOf: $0) }
    }
    try FileHandle.standardOutput.write(contentsOf: rows)
}

func texts(in data: Data) throws -> [String] {
    var texts: [String] = []
    var rest = data[...]
    while !rest.isEmpty {
        let length = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        guard rest.count >= 4 + length else { throw Failure("the last text is not complete") }
        texts.append(String(decoding: rest.dropFirst(4).prefix(length), as: UTF8.self))
        rest = rest.dropFirst(4 + length)
    }
    return texts
}

func contents(of path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

func length(from argument: String) throws -> Int {
    guard let length = Int(argument) else { throw Failure("\(argument) is not a length") }
    return length
}

struct Failure: LocalizedError {
    let errorDescription: String?

    init(_ description: String) { errorDescription = description }
}
