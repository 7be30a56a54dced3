import Foundation
import Testing

@testable import TextClassifierKit

struct RowTests {
    private let tokenizer: Tokenizer

    init() throws { tokenizer = try Tokenizer(metadata: Metadata.wordPieces(["a"])) }

    @Test func specialTokensAreAround() {
        #expect(tokenizer.encode("a a") == Encoding(inputIDs: [2, 4, 4, 3], isTruncated: false))
        #expect(tokenizer.encode("") == Encoding(inputIDs: [2, 3], isTruncated: false))
        #expect(tokenizer.specialTokenCount == tokenizer.row(of: []).count)
    }

    @Test func rowsAreCutBeforeTheLastToken() {
        #expect(tokenizer.encode("a a a", maxLength: 5).isTruncated == false)
        let cut = tokenizer.encode("a a a", maxLength: 4)
        #expect(cut == Encoding(inputIDs: [2, 4, 4, 3], isTruncated: true))
    }

    @Test(arguments: [2, 1, 0, -1, .min])
    func aRowWithoutRoomHasTheSpecialTokens(length: Int) {
        #expect(
            tokenizer.encode("a", maxLength: length)
                == Encoding(inputIDs: [2, 3], isTruncated: true))
        #expect(tokenizer.encode(" ", maxLength: length).isTruncated == false)
    }

    @Test func stringsOfFoundationAreTheSame() {
        let text = NSString(format: "a%C a", 0x301 as UInt16) as String
        #expect(tokenizer.encode(text).inputIDs == [2, 4, 4, 3])
    }
}
