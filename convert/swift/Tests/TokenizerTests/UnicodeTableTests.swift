import Testing

@testable import TextClassifierKit

struct UnicodeTableTests {
    @Test func rangesAscend() {
        let tables = [
            UnicodeTables.dropped, UnicodeTables.toSpace, UnicodeTables.ideographs,
            UnicodeTables.marks, UnicodeTables.whiteSpace, UnicodeTables.punctuation,
            UnicodeTables.letters, UnicodeTables.numbers, UnicodeTables.word,
        ]
        for table in tables {
            #expect(!table.isEmpty && table.count.isMultiple(of: 2))
            #expect(zip(table, table.dropFirst()).allSatisfy { $0 <= $1 })
            #expect(table.allSatisfy { Unicode.Scalar(UInt32($0)) != nil })
        }
    }

    @Test func utf8IsThatOfSwift() {
        for code: UInt32 in 0...0x10FFFF {
            guard let scalar = Unicode.Scalar(code) else { continue }
            var bytes: [UInt8] = []
            bytes.append(scalar: code)
            guard bytes.elementsEqual(UTF8.encode(scalar) ?? .init()) else {
                Issue.record("\(code) is written as \(bytes)")
                continue
            }
            let read = bytes.withUnsafeBufferPointer { $0.scalar(at: 0) }
            if read.scalar != code || read.next != bytes.count {
                Issue.record("\(code) is read as \(read)")
            }
        }
    }
}
