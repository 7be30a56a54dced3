import Testing
@testable import TextClassifierKit

@Test func emptyMetadataNameTheMissingKey() {
    #expect(throws: TokenizerError.missingMetadata(key: "mlx_finbert.tokenizer")) {
        try Tokenizer(metadata: [:])
    }
}
