import Testing

@testable import TextClassifierKit

struct AddedTokenTests {
    private func ids(_ text: String, _ added: String...) throws -> [Int32] {
        let metadata = Metadata.wordPieces(
            ["a", "b", "##b", "é", "ab"], added: added.joined(separator: ", "))
        return try Tokenizer(metadata: metadata).pieces(of: text)
    }

    @Test func rawTokensAreFoundAsWritten() throws {
        #expect(try ids("a[SEP]b[sep]", Metadata.added(3, "[SEP]")) == [4, 3, 5, 1, 1, 1])
    }

    @Test func normalizedTokensAreFoundInTheNormalizedText() throws {
        #expect(try ids("É é e\u{301}", Metadata.added(7, "É", "normalized")) == [7, 7, 7])
        #expect(try ids("É é", Metadata.added(7, "é")) == [1, 7])
    }

    @Test func theLongestTokenIsTaken() throws {
        let both = [Metadata.added(4, "a"), Metadata.added(8, "ab")].joined(separator: ", ")
        #expect(try ids("aba", both) == [8, 4])
    }

    @Test func singleWordsHaveNoWordNextToThem() throws {
        let token = Metadata.added(8, "ab", "single_word")
        #expect(try ids("ab", token) == [8])
        #expect(try ids("aab", token) == [1])
        #expect(try ids("-ab_ ab.", token) == [1, 4, 6, 1, 8, 1])
    }

    @Test func whiteSpaceIsTakenOnce() throws {
        let space = Metadata.added(4, " ")
        #expect(try ids("b b", space) == [5, 4, 5])
        let before = Metadata.added(8, "ab", "rstrip")
        #expect(try ids("ab  b", before, space) == [8, 4, 4, 5])
        // Hugging Face's tokenizer panics here.
        #expect(try ids("ab  b", before, Metadata.added(4, " ", "lstrip")) == [8, 4, 5])
    }

    @Test func tokensApartFromTheModelAreNotPieces() throws {
        let token = Metadata.added(8, "ab", "single_word")
        #expect(try ids("abb", token) == [4, 6, 6])
        #expect(try ids("abb", Metadata.added(8, "ab", "single_word", "in_model")) == [8, 6])
    }
}
