import Foundation

/// A table of text: RFC 4180, read and written byte by byte.
///
/// A cell in quotes may hold separators, line ends and doubled quotes. Lines end with CR LF, LF or
/// CR. `String` and `Character` take no part in finding cells: to them CR LF is one character, and
/// a quote with a combining mark is none.
public struct CSV: Sendable, Equatable {
    /// The names of the columns: the cells of the first line.
    public var header: [String]
    /// The cells of the other lines, as many in each as there are columns.
    public var rows: [[String]]
    /// A comma, a semicolon or a tab, in UTF-8.
    public let separator: UInt8
    /// Whether the file began with a byte order mark; Excel takes a file without one for no UTF-8.
    public let hasByteOrderMark: Bool

    /// Makes a table.
    public init(
        header: [String], rows: [[String]], separator: UInt8 = Byte.comma,
        hasByteOrderMark: Bool = false
    ) {
        self.header = header
        self.rows = rows
        self.separator = separator
        self.hasByteOrderMark = hasByteOrderMark
    }
}

/// The bytes that have a meaning in a table.
public enum Byte {
    /// A comma.
    public static let comma = UInt8(ascii: ",")
    /// A semicolon, as spreadsheets write where the comma is for decimals.
    public static let semicolon = UInt8(ascii: ";")
    /// A tab.
    public static let tab = UInt8(ascii: "\t")
    static let quote = UInt8(ascii: "\"")
    static let lineFeed = UInt8(ascii: "\n")
    static let carriageReturn = UInt8(ascii: "\r")
    static let orderMark: [UInt8] = [0xEF, 0xBB, 0xBF]
}

/// What is wrong with a table.
public enum CSVError: Error, Equatable, Sendable {
    /// There is not one line.
    case empty
    /// The bytes are neither UTF-8 nor UTF-16 with a byte order mark.
    case notUTF8
    /// A quote is not closed; the line on which it stands, from 1.
    case openQuote(line: Int)
    /// A row has more or fewer cells than there are columns; the line on which it begins, from 1.
    case unevenRow(line: Int, cells: Int, columns: Int)
}

extension CSVError: LocalizedError {
    public var errorDescription: String? {
        switch self {
        case .empty: "The file is empty: give a table whose first line names its columns."
        case .notUTF8: "The file is not UTF-8: save it again as “CSV UTF-8”."
        case .openQuote(let line): "The quote on line \(line) is never closed: add a second one."
        case .unevenRow(let line, let cells, let columns):
            "Line \(line) has \(cells) cells, but there are \(columns) columns: put cells that hold"
                + " a separator in quotes."
        }
    }
}

// MARK: - Reading

extension CSV {
    /// Reads a table; its separator is a comma, a semicolon or a tab, as the first line has most.
    public init(_ data: Data) throws(CSVError) {
        var bytes = try CSV.utf8(of: data)
        let isMarked = bytes.starts(with: Byte.orderMark)
        if isMarked { bytes.removeFirst(Byte.orderMark.count) }
        hasByteOrderMark = isMarked || CSV.isUTF16(data)
        separator = CSV.separator(of: bytes)
        var reader = Reader(bytes: bytes, separator: separator)
        guard let first = try reader.next() else { throw .empty }
        header = first.cells
        rows = []
        while let row = try reader.next() {
            guard row.cells.count == header.count else {
                throw .unevenRow(line: row.line, cells: row.cells.count, columns: header.count)
            }
            rows.append(row.cells)
        }
    }

    /// The bytes in UTF-8; those in UTF-16 must begin with a byte order mark, as programs write it.
    private static func utf8(of data: Data) throws(CSVError) -> [UInt8] {
        if isUTF16(data) {
            guard let text = String(data: data, encoding: .utf16) else { throw .notUTF8 }
            return Array(text.utf8)
        }
        let bytes = [UInt8](data)
        // Decoding replaces what is not UTF-8, so that the bytes differ.
        guard String(decoding: bytes, as: UTF8.self).utf8.elementsEqual(bytes) else {
            throw .notUTF8
        }
        return bytes
    }

    private static func isUTF16(_ data: Data) -> Bool {
        data.starts(with: [0xFF, 0xFE]) || data.starts(with: [0xFE, 0xFF])
    }

    private static func separator(of bytes: [UInt8]) -> UInt8 {
        var counts: [UInt8: Int] = [:]
        var isQuoted = false
        for byte in bytes {
            if byte == Byte.quote { isQuoted.toggle() }
            if isQuoted { continue }
            if byte == Byte.lineFeed || byte == Byte.carriageReturn { break }
            counts[byte, default: 0] += 1
        }
        let others = [Byte.semicolon, Byte.tab]
        return others.reduce(Byte.comma) {
            counts[$1, default: 0] > counts[$0, default: 0] ? $1 : $0
        }
    }
}

/// Walks over the bytes of a table, a row at a time.
private struct Reader {
    let bytes: [UInt8]
    let separator: UInt8
    private var position = 0
    private var line = 1

    init(bytes: [UInt8], separator: UInt8) {
        self.bytes = bytes
        self.separator = separator
    }

    /// The next row and the line on which it begins; nil at the end. Blank lines are left out.
    mutating func next() throws(CSVError) -> (cells: [String], line: Int)? {
        while position < bytes.count {
            if isLineEnd(bytes[position]) {
                skipLineEnd()
                continue
            }
            let start = line
            var cells = [try cell()]
            while position < bytes.count, bytes[position] == separator {
                position += 1
                cells.append(try cell())
            }
            if position < bytes.count { skipLineEnd() }
            return (cells, start)
        }
        return nil
    }

    /// Reads up to a separator, a line end or the end.
    private mutating func cell() throws(CSVError) -> String {
        var content: [UInt8] = []
        if position < bytes.count, bytes[position] == Byte.quote { content = try quoted() }
        // A quote within an unquoted cell, or text after a closing quote, is taken as it stands.
        let start = position
        while position < bytes.count, bytes[position] != separator, !isLineEnd(bytes[position]) {
            position += 1
        }
        content += bytes[start..<position]
        return String(decoding: content, as: UTF8.self)
    }

    private mutating func quoted() throws(CSVError) -> [UInt8] {
        let opened = line
        var content: [UInt8] = []
        position += 1
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            if byte == Byte.quote {
                guard position < bytes.count, bytes[position] == Byte.quote else { return content }
                position += 1
            } else if byte == Byte.lineFeed || (byte == Byte.carriageReturn && !isLineFeedNext) {
                line += 1
            }
            content.append(byte)
        }
        throw .openQuote(line: opened)
    }

    private var isLineFeedNext: Bool {
        position < bytes.count && bytes[position] == Byte.lineFeed
    }

    private func isLineEnd(_ byte: UInt8) -> Bool {
        byte == Byte.lineFeed || byte == Byte.carriageReturn
    }

    private mutating func skipLineEnd() {
        let byte = bytes[position]
        position += 1
        if byte == Byte.carriageReturn && isLineFeedNext { position += 1 }
        line += 1
    }
}

// MARK: - Writing

extension CSV {
    /// The table as a file: lines end with CR LF, and cells are in quotes where they have to be.
    public var data: Data {
        var bytes = hasByteOrderMark ? Byte.orderMark : []
        for row in [header] + rows {
            for (i, cell) in row.enumerated() {
                if i > 0 { bytes.append(separator) }
                append(cell, to: &bytes, isAlone: row.count == 1)
            }
            bytes += [Byte.carriageReturn, Byte.lineFeed]
        }
        return Data(bytes)
    }

    /// A cell with any separator is in quotes, for readers that count them; and an empty cell that
    /// is alone on its line, as blank lines are left out.
    private func append(_ cell: String, to bytes: inout [UInt8], isAlone: Bool) {
        let special = [
            Byte.comma, Byte.semicolon, Byte.tab, Byte.quote, Byte.lineFeed, Byte.carriageReturn,
        ]
        guard cell.utf8.contains(where: special.contains) || (isAlone && cell.isEmpty) else {
            bytes += cell.utf8
            return
        }
        bytes.append(Byte.quote)
        for byte in cell.utf8 {
            if byte == Byte.quote { bytes.append(byte) }
            bytes.append(byte)
        }
        bytes.append(Byte.quote)
    }
}
