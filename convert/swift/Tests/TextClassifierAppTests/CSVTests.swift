import Foundation
import Testing

@testable import TextClassifierApp

private func table(_ text: String) throws -> CSV { try CSV(Data(text.utf8)) }

@Suite struct CSVTests {
    @Test(arguments: [
        ("a,b\nc,d\n", [["c", "d"]]),
        ("a,b\r\nc,d", [["c", "d"]]),
        ("a,b\rc,d\r", [["c", "d"]]),
        ("a,b\n\n\r\nc,d\n\n", [["c", "d"]]),
        ("a,b\n,\n", [["", ""]]),
        ("a,b\n\"x,y\",\"say \"\"no\"\"\"\n", [["x,y", "say \"no\""]]),
        ("a,b\n\"one\r\ntwo\",\"three\nfour\rfive\"\n", [["one\r\ntwo", "three\nfour\rfive"]]),
        ("a,b\n\"\",\"\"\"\"\n", [["", "\""]]),
        // Cells that RFC 4180 does not know are taken as they stand.
        ("a,b\n5\" disk,\"x\"y\n", [["5\" disk", "xy"]]),
        // A mark that combines with a quote or a comma does not hide it.
        ("a,b\n\"x\"\u{301},\u{301}y\n", [["x\u{301}", "\u{301}y"]]),
        ("a,b\n\"x\"\"\u{301}y\",z\n", [["x\"\u{301}y", "z"]]),
        ("a,b\n株価,📈\n", [["株価", "📈"]]),
        ("a,b\nx\u{2028}y,x\u{85}y\n", [["x\u{2028}y", "x\u{85}y"]]),
    ])
    func rowsAreRead(text: String, rows: [[String]]) throws {
        let found = try table(text)
        #expect(found.header == ["a", "b"])
        #expect(bytes(found.rows) == bytes(rows))
    }

    @Test func anEmptyCellAloneIsARowOnlyInQuotes() throws {
        #expect(try table("a\n\n\"\"\nb\n").rows == [[""], ["b"]])
    }

    @Test(arguments: [
        ("a;b,c;d\n1;2;3\n", Byte.semicolon),
        ("a\tb,c\td\n1\t2\t3\n", Byte.tab),
        ("\"a;b;c\",d\n1,2\n", Byte.comma),
        ("text\none\n", Byte.comma),
    ])
    func theSeparatorIsThatOfTheFirstLine(text: String, separator: UInt8) throws {
        let found = try table(text)
        #expect(found.separator == separator)
        #expect(try CSV(found.data) == found)
    }

    @Test func theByteOrderMarkIsKept() throws {
        let found = try table("\u{FEFF}text,id\nä,1\n")
        #expect(found.header == ["text", "id"])
        #expect(found.data == Data("\u{FEFF}text,id\r\nä,1\r\n".utf8))
    }

    @Test(arguments: [String.Encoding.utf16LittleEndian, .utf16BigEndian])
    func utf16IsReadAndBecomesUTF8(encoding: String.Encoding) throws {
        let mark = Data(encoding == .utf16LittleEndian ? [0xFF, 0xFE] : [0xFE, 0xFF])
        let found = try CSV(mark + #require("text,id\nä📈,1\n".data(using: encoding)))
        #expect(found.header == ["text", "id"])
        #expect(found.rows == [["ä📈", "1"]])
        #expect(found.data.starts(with: Byte.orderMark))
    }

    @Test func whatIsWrongIsNamedWithItsLine() {
        #expect(throws: CSVError.empty) { try table("") }
        #expect(throws: CSVError.empty) { try table("\n\r\n") }
        #expect(throws: CSVError.notUTF8) { try CSV(Data([0x61, 0x0A, 0xE4, 0x0A])) }
        #expect(throws: CSVError.openQuote(line: 4)) { try table("a\n\"x\ny\"\n\"z\n") }
        #expect(throws: CSVError.unevenRow(line: 5, cells: 1, columns: 2)) {
            try table("a,b\r\n\r\n\"x\r\ny\",z\r\nw\r\n")
        }
        #expect(
            CSVError.unevenRow(line: 5, cells: 1, columns: 2).errorDescription?.contains("Line 5")
                == true)
    }

    @Test func cellsAreInQuotesWhereTheyHaveToBe() {
        let written = CSV(
            header: ["a", "b"], rows: [["x,y", "\"no\""], ["1\n2", "3\r4"], [" x ", ""]]
        ).data
        let expected = "a,b\r\n\"x,y\",\"\"\"no\"\"\"\r\n\"1\n2\",\"3\r4\"\r\n x ,\r\n"
        #expect(String(decoding: written, as: UTF8.self) == expected)
    }

    @Test(arguments: [Byte.comma, Byte.semicolon, Byte.tab], [1, 2, 4])
    func whatIsWrittenIsReadAsItWas(separator: UInt8, columns: Int) throws {
        // In a table of one column nothing tells the separator.
        let separator = columns == 1 ? Byte.comma : separator
        var random = SplitMix(state: UInt64(separator) + UInt64(columns))
        for _ in 0..<200 {
            let rows = (0..<Int.random(in: 0...5, using: &random)).map { _ in
                (0..<columns).map { _ in randomCell(&random) }
            }
            let table = CSV(
                header: (0..<columns).map { "c\($0)" }, rows: rows, separator: separator)
            let found = try CSV(table.data)
            #expect(found.header == table.header)
            #expect(bytes(found.rows) == bytes(rows))
        }
    }
}

private func bytes(_ rows: [[String]]) -> [[[UInt8]]] { rows.map { $0.map { Array($0.utf8) } } }

private func randomCell(_ random: inout SplitMix) -> String {
    let pieces = ["", "a", ",", ";", "\t", "\"", "\n", "\r", "\r\n", "\u{301}", "é", "📈", " "]
    return (0..<Int.random(in: 0...5, using: &random))
        .map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
}

/// Random numbers that are the same in every run.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
