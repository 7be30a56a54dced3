import Testing

@testable import TextClassifierKit

struct JSONTests {
    @Test func values() {
        let json = JSON(#" {"a": [1, -2.5e+3, 0, true, false, null, "x"], "b": {}, "c": []} "#)
        guard case .array(let values)? = json?["a"] else { return #expect(Bool(false)) }
        #expect(values.map(written) == ["1", "-2.5e+3", "0", "true", "false", "null", "\"x\""])
        guard case .object(let members)? = json?["b"] else { return #expect(Bool(false)) }
        #expect(members.isEmpty && json?["d"] == nil)
    }

    private func written(_ value: JSON) -> String {
        switch value {
        case .null: "null"
        case .bool(let value): "\(value)"
        case .number(let text): text
        case .string(let text): "\"\(text)\""
        case .array, .object: "..."
        }
    }

    @Test func escapesAreScalars() {
        guard case .string(let text)? = JSON(#""\u0041\ud83d\ude00\n\"\\\/\b\f\r\t\u0000é\uFFFD""#)
        else {
            return #expect(Bool(false))
        }
        let expected: [UInt32] = [
            0x41, 0x1F600, 10, 0x22, 0x5C, 0x2F, 8, 12, 13, 9, 0, 0xE9, 0xFFFD,
        ]
        #expect(text.unicodeScalars.map(\.value) == expected)
    }

    @Test func keysAreEqualByteByByte() {
        let json = JSON(#"{"\u212A": 1, "é": 2, "e\u0301": 3, "é": 4}"#)
        #expect(json?["K"] == nil && json?["\u{212A}"].map(written) == "1")
        #expect(json?["é"].map(written) == "4" && json?["e\u{301}"].map(written) == "3")
    }

    @Test(arguments: [
        "", " ", "{", "[", "[1", "[1,", "[1,]", "[,1]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}",
        "{a:1}",
        "\"", "\"\\", "\"\\x\"", "\"\\u12\"", "\"\\u12G4\"", "\"\\ud800\"", "\"\\ud800\\u0041\"",
        "\"\\udc00\"", "\"\n\"", "\"\u{1}\"", "01", "-", "+1", "1.", ".5", "1e", "1e+", "0x1",
        "NaN",
        "tru", "truex", "nul", "1 2", "[1]]", "\u{FEFF}1",
    ])
    func textsThatAreNotJSON(text: String) { #expect(JSON(text) == nil) }

    @Test func deepValuesAreRefused() {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        #expect(JSON(nested(64)) != nil)
        #expect(JSON(nested(65)) == nil)
        #expect(JSON(nested(1_000_000)) == nil)
    }
}
