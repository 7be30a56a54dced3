import Foundation

/// The value of `mlx_finbert.tokenizer`.
struct TokenizerRules: Sendable {
    enum Model: Sendable {
        case wordPieces(WordPieceRules)
        case bytePairs(BytePairRules)
    }

    let model: Model
    let specialTokens: SpecialTokens
    let addedTokens: [AddedToken]

    /// - Parameter json: the value in the metadata.
    init(json: String) throws(TokenizerError) {
        do {
            self = try JSONDecoder().decode(Self.self, from: Data(json.utf8))
        } catch let error as TokenizerError {
            throw error
        } catch let error as DecodingError {
            throw TokenizerError(error)
        } catch {
            throw .unreadableRules
        }
    }
}

/// The rules of a WordPiece tokenizer, as named by Hugging Face's `BertNormalizer` and `WordPiece`.
struct WordPieceRules: Sendable, Decodable {
    var lowercase = true
    var stripAccents = true
    var cleanText = true
    var handleChineseChars = true
    var continuingSubwordPrefix = "##"
    var maxInputCharsPerWord = 100

    private enum CodingKeys: String, CodingKey {
        case lowercase
        case stripAccents = "strip_accents"
        case cleanText = "clean_text"
        case handleChineseChars = "handle_chinese_chars"
        case continuingSubwordPrefix = "continuing_subword_prefix"
        case maxInputCharsPerWord = "max_input_chars_per_word"
    }
}

/// The rules of a byte-pair tokenizer.
struct BytePairRules: Sendable, Decodable {
    /// Whether a space is put before a text that does not start with one.
    let addPrefixSpace: Bool

    private enum CodingKeys: String, CodingKey { case addPrefixSpace = "add_prefix_space" }
}

/// The tokens that a model gives a meaning of its own.
struct SpecialTokens: Sendable, Decodable {
    struct Token: Sendable, Decodable {
        let id: Int32
    }

    let pad: Token
    let unk: Token
    let cls: Token
    let sep: Token
}

/// A token that is found in a text before the rest is split into words.
struct AddedToken: Sendable, Decodable {
    let id: Int32
    let content: String
    /// Whether it is found only if no word character is next to it.
    let singleWord: Bool
    /// Whether it includes the white space before it.
    let lstrip: Bool
    /// Whether it includes the white space after it.
    let rstrip: Bool
    /// Whether its normalized form is searched for in the normalized text, not the raw text.
    let normalized: Bool
    /// Whether words may be split into it too.
    let inModel: Bool

    private enum CodingKeys: String, CodingKey {
        case id, content, lstrip, rstrip, normalized
        case singleWord = "single_word"
        case inModel = "in_model"
    }
}

extension TokenizerRules: Decodable {
    private enum CodingKeys: String, CodingKey {
        case kind
        case specialTokens = "special_tokens"
        case addedTokens = "added_tokens"
    }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        specialTokens = try values.decode(SpecialTokens.self, forKey: .specialTokens)
        addedTokens = try values.decode([AddedToken].self, forKey: .addedTokens)
        switch try values.decode(String.self, forKey: .kind) {
        case "wordpiece": model = .wordPieces(try WordPieceRules(from: decoder))
        case "byte_pair": model = .bytePairs(try BytePairRules(from: decoder))
        case let kind: throw TokenizerError.unknownKind(kind)
        }
    }
}
