import Foundation
import Testing

@testable import TextClassifierKit

/// Cases in which Swift's own strings would give other ids.
struct WordPieceTests {
    private func ids(
        _ text: String, _ pieces: [String], rules: [String: String] = [:]
    ) throws -> [Int32] {
        try Tokenizer(metadata: Metadata.wordPieces(pieces, rules: rules)).pieces(of: text)
    }

    @Test func theLongestPieceIsTaken() throws {
        let pieces = ["pro", "prof", "##fit", "##it", "##s", "profits!"]
        #expect(try ids("Profits", pieces) == [5, 7, 8])
        #expect(try ids("profit profits", pieces) == [5, 7, 5, 7, 8])
        #expect(try ids("profitx", pieces) == [1])
        #expect(try ids("it", pieces) == [1])
    }

    @Test func equivalentTokensAreDifferent() throws {
        let kept = ["lowercase": "false", "strip_accents": "false"]
        let pieces = ["é", "e\u{301}", "K", "\u{212A}", "Å", "\u{212B}"]
        for (i, piece) in pieces.enumerated() {
            #expect(try ids(piece, pieces, rules: kept) == [Int32(i) + 4])
        }
    }

    @Test func linesEndAtLineFeedsOnly() throws {
        let kept = ["clean_text": "false"]
        let pieces = ["a\r", "b\u{2028}", "c\u{85}", "d\r"]
        let tokenizer = try Tokenizer(metadata: Metadata.wordPieces(pieces, rules: kept))
        #expect(tokenizer.paddingID == 0)
        #expect(try ids("d", pieces + ["d"]) == [8])
    }

    @Test func marksAreSortedByTheirClassAndDropped() throws {
        // U+1D165 (class 216) and U+1D16D (226) are kept; U+0301 is dropped and ends no run.
        let sorted = ["a\u{1D165}\u{1D16D}"]
        #expect(try ids("a\u{1D16D}\u{301}\u{1D165}", sorted) == [4])
        // U+0903 has class 0 and is kept, and U+0900 has class 0 and is dropped: both end a run.
        #expect(try ids("a\u{1D16D}\u{900}\u{1D165}", sorted) == [1])
        #expect(try ids("a\u{1D16D}\u{900}\u{1D165}", ["a\u{1D16D}\u{1D165}"]) == [4])
    }

    @Test func lowerCaseConcernsSingleScalars() throws {
        #expect(try ids("ΣΑΣ", ["σας", "σασ"]) == [5])
        #expect(try ids("STRAẞE", ["strasse", "straße"]) == [5])
        #expect(try ids("İ", ["i", "##\u{307}"]) == [4])
        #expect(try ids("İ", ["i", "##\u{307}"], rules: ["strip_accents": "false"]) == [4, 5])
    }

    @Test func ideographsAndPunctuationAreWords() throws {
        #expect(try ids("株価a-b", ["株", "価", "a", "-", "b"]) == [4, 5, 6, 7, 8])
        #expect(try ids("株価", ["株価"], rules: ["handle_chinese_chars": "false"]) == [4])
        // A compatibility ideograph gets its spaces, and then its decomposition.
        #expect(try ids("a\u{F900}b", ["a", "豈", "b"]) == [4, 5, 6])
    }

    @Test func hangulIsDecomposed() throws {
        #expect(try ids("각가", ["\u{1100}\u{1161}\u{11A8}\u{1100}\u{1161}"]) == [4])
    }

    @Test func invisibleCharactersVanish() throws {
        #expect(try ids("a\u{B}b\u{AD}c\u{200D}d\u{FEFF}\0", ["abcd"]) == [4])
        #expect(try ids("a\u{B}b", ["a", "b"], rules: ["clean_text": "false"]) == [4, 5])
    }

    @Test func scalarsOfTheNormalizedWordAreCounted() throws {
        let rules = ["max_input_chars_per_word": "3"]
        #expect(try ids("eee éééee\u{301}", ["eee", "e", "##e"], rules: rules) == [4, 1])
        #expect(try ids("e\u{301}e\u{301}e\u{301}", ["eee"], rules: rules) == [4])
    }

    @Test func longTextsAreReadInParts() throws {
        let pieces = ["word", "株", "\u{1D165}\u{1D16D}"]
        let text = String(repeating: "word 株\u{1D16D}\u{1D165} ", count: 5000)
        let expected = Array(repeating: [Int32](arrayLiteral: 4, 5, 6), count: 5000).flatMap { $0 }
        #expect(try ids(text, pieces) == expected)
    }
}
