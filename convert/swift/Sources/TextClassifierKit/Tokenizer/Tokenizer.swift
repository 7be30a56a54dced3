/// Turns a text into a model's token ids, exactly as Hugging Face's fast tokenizer does.
///
/// Everything comes from the model's metadata: the rules, the vocabulary, the added tokens. Neither
/// the locale nor the Unicode version of the system affects the result.
public struct Tokenizer: Sendable {
    /// The id that fills a row up to its length.
    public let paddingID: Int32

    /// Makes the tokenizer that a model's metadata describe.
    ///
    /// - Parameter metadata: the model's user-defined metadata, with keys such as
    ///   `mlx_finbert.tokenizer`.
    public init(metadata: [String: String]) throws(TokenizerError) {
        throw .missing(key: "mlx_finbert.tokenizer")
    }

    /// Encodes a text as one row, between the model's first and last special token.
    ///
    /// - Parameters:
    ///   - text: any text.
    ///   - maxLength: the largest number of ids in the row, with the special tokens; nil for no limit.
    public func encode(_ text: String, maxLength: Int? = nil) -> Encoding {
        Encoding(inputIDs: [], isTruncated: false)
    }

    /// The ids of a whole text, without special tokens around them.
    func pieces(of text: String) -> [Int32] { [] }

    /// A row: pieces between the special tokens.
    func row(of pieces: ArraySlice<Int32>) -> [Int32] { Array(pieces) }

    /// The number of special tokens that `row(of:)` adds.
    var specialTokenCount: Int { 2 }
}

/// The token ids of a text.
public struct Encoding: Sendable, Hashable {
    /// The ids, with special tokens and without padding.
    public let inputIDs: [Int32]
    /// Whether the text had more tokens than the row has room for.
    public let isTruncated: Bool
}
