/// A JSON value.
///
/// `JSONDecoder` ends the process at some malformed texts, and a model's metadata may be damaged.
enum JSON: Sendable {
    case null
    case bool(Bool)
    /// A number as written.
    case number(String)
    case string(String)
    case array([JSON])
    case object([(key: String, value: JSON)])

    /// Reads a text.
    ///
    /// - Returns: nil if it is not JSON.
    init?(_ text: String) {
        var parser = JSONParser(text)
        guard let value = parser.document() else { return nil }
        self = value
    }

    /// The value of a key in an object; of equal keys, the last one counts.
    subscript(key: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        // `==` would also accept keys that Unicode calls equivalent.
        return members.last { $0.key.utf8.elementsEqual(key.utf8) }?.value
    }
}

/// Reads JSON by RFC 8259.
private struct JSONParser {
    /// Deeper values are refused: each level takes space on the stack.
    private static let deepest = 64

    private let bytes: [UInt8]
    private var position = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    mutating func document() -> JSON? {
        guard let value = value(depth: 0) else { return nil }
        skipSpaces()
        return position == bytes.count ? value : nil
    }

    private mutating func value(depth: Int) -> JSON? {
        skipSpaces()
        guard depth < Self.deepest, let next else { return nil }
        switch next {
        case UInt8(ascii: "{"): return object(depth)
        case UInt8(ascii: "["): return array(depth)
        case UInt8(ascii: "\""): return string().map(JSON.string)
        case UInt8(ascii: "t"): return skip("true") ? .bool(true) : nil
        case UInt8(ascii: "f"): return skip("false") ? .bool(false) : nil
        case UInt8(ascii: "n"): return skip("null") ? .null : nil
        default: return number()
        }
    }

    private mutating func object(_ depth: Int) -> JSON? {
        var members: [(key: String, value: JSON)] = []
        position += 1
        if skip("}", afterSpaces: true) { return .object(members) }
        repeat {
            skipSpaces()
            guard let key = string(), skip(":", afterSpaces: true),
                let value = value(depth: depth + 1)
            else { return nil }
            members.append((key, value))
        } while skip(",", afterSpaces: true)
        return skip("}") ? .object(members) : nil
    }

    private mutating func array(_ depth: Int) -> JSON? {
        var values: [JSON] = []
        position += 1
        if skip("]", afterSpaces: true) { return .array(values) }
        repeat {
            guard let value = value(depth: depth + 1) else { return nil }
            values.append(value)
        } while skip(",", afterSpaces: true)
        return skip("]") ? .array(values) : nil
    }

    private mutating func string() -> String? {
        guard skip("\"") else { return nil }
        var found: [UInt8] = []
        while let byte = next, byte >= 0x20 {
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return String(decoding: found, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard let scalar = escape() else { return nil }
                found.append(scalar: scalar)
            default: found.append(byte)
            }
        }
        return nil
    }

    /// The scalar that an escape stands for.
    private mutating func escape() -> UInt32? {
        guard let byte = next else { return nil }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return UInt32(byte)
        case UInt8(ascii: "b"): return 0x8
        case UInt8(ascii: "f"): return 0xC
        case UInt8(ascii: "n"): return 0xA
        case UInt8(ascii: "r"): return 0xD
        case UInt8(ascii: "t"): return 0x9
        case UInt8(ascii: "u"): return escapedScalar()
        default: return nil
        }
    }

    private mutating func escapedScalar() -> UInt32? {
        guard let first = fourHexDigits() else { return nil }
        guard 0xD800...0xDFFF ~= first else { return first }
        guard first < 0xDC00, skip("\\u"), let second = fourHexDigits(), 0xDC00...0xDFFF ~= second
        else { return nil }
        return 0x10000 + (first - 0xD800) << 10 + (second - 0xDC00)
    }

    private mutating func fourHexDigits() -> UInt32? {
        guard position + 4 <= bytes.count else { return nil }
        var number: UInt32 = 0
        for byte in bytes[position..<position + 4] {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): number = number << 4 | UInt32(byte & 0xF)
            case UInt8(ascii: "A")...UInt8(ascii: "F"), UInt8(ascii: "a")...UInt8(ascii: "f"):
                number = number << 4 | UInt32(byte & 0xF + 9)
            default: return nil
            }
        }
        position += 4
        return number
    }

    private mutating func number() -> JSON? {
        let start = position
        _ = skip("-")
        guard skip("0") || skipDigits() else { return nil }
        if skip("."), !skipDigits() { return nil }
        if skip("e") || skip("E") {
            _ = skip("+") || skip("-")
            guard skipDigits() else { return nil }
        }
        return .number(String(decoding: bytes[start..<position], as: UTF8.self))
    }

    /// Skips digits; false if there are none.
    private mutating func skipDigits() -> Bool {
        let start = position
        while let byte = next, UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte { position += 1 }
        return position > start
    }

    private mutating func skipSpaces() {
        while let byte = next, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { position += 1 }
    }

    /// Skips a text; false if another one follows.
    private mutating func skip(_ text: StaticString, afterSpaces: Bool = false) -> Bool {
        if afterSpaces { skipSpaces() }
        return text.withUTF8Buffer { text in
            guard bytes[position...].starts(with: text) else { return false }
            position += text.count
            return true
        }
    }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }
}
