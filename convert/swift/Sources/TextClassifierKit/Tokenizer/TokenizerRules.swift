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
        guard let value = JSON(json), case .object = value else { throw .unreadableRules }
        let rules = Rule(value: value, path: "")
        specialTokens = try SpecialTokens(rules["special_tokens"])
        var addedTokens: [AddedToken] = []
        for token in try rules["added_tokens"].array() { addedTokens.append(try AddedToken(token)) }
        self.addedTokens = addedTokens
        switch try rules["kind"].string() {
        case "wordpiece": model = .wordPieces(try WordPieceRules(rules))
        case "byte_pair": model = .bytePairs(try BytePairRules(rules))
        case let kind: throw .unknownKind(kind)
        }
    }
}

/// The rules of a WordPiece tokenizer, as named by Hugging Face's `BertNormalizer` and `WordPiece`.
struct WordPieceRules: Sendable {
    let lowercase: Bool
    let stripAccents: Bool
    let cleanText: Bool
    let handleChineseChars: Bool
    let continuingSubwordPrefix: String
    let maxInputCharsPerWord: Int

    init(_ rules: Rule) throws(TokenizerError) {
        lowercase = try rules["lowercase"].bool()
        stripAccents = try rules["strip_accents"].bool()
        cleanText = try rules["clean_text"].bool()
        handleChineseChars = try rules["handle_chinese_chars"].bool()
        continuingSubwordPrefix = try rules["continuing_subword_prefix"].string()
        maxInputCharsPerWord = try rules["max_input_chars_per_word"].integer()
    }
}

/// The rules of a byte-pair tokenizer.
struct BytePairRules: Sendable {
    /// Whether a space is put before a text that does not start with one.
    let addPrefixSpace: Bool

    init(_ rules: Rule) throws(TokenizerError) {
        addPrefixSpace = try rules["add_prefix_space"].bool()
    }
}

/// The ids of the tokens that a model gives a meaning of its own.
struct SpecialTokens: Sendable {
    let pad: Int32
    let unk: Int32
    let cls: Int32
    let sep: Int32

    init(_ tokens: Rule) throws(TokenizerError) {
        pad = try tokens["pad"]["id"].integer()
        unk = try tokens["unk"]["id"].integer()
        cls = try tokens["cls"]["id"].integer()
        sep = try tokens["sep"]["id"].integer()
    }
}

/// A token that is found in a text before the rest is split into words.
struct AddedToken: Sendable {
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

    init(_ token: Rule) throws(TokenizerError) {
        id = try token["id"].integer()
        content = try token["content"].string()
        singleWord = try token["single_word"].bool()
        lstrip = try token["lstrip"].bool()
        rstrip = try token["rstrip"].bool()
        normalized = try token["normalized"].bool()
        inModel = try token["in_model"].bool()
    }
}

/// A rule, which knows its path for error messages.
struct Rule {
    /// Nil if it is missing.
    let value: JSON?
    let path: String

    subscript(name: String) -> Rule {
        // A missing rule is reported by its own name, not by that of a part.
        if value == nil { return self }
        return Rule(value: value?[name], path: path.isEmpty ? name : "\(path).\(name)")
    }

    func array() throws(TokenizerError) -> [Rule] {
        guard case .array(let values) = try present() else { throw .invalidRule(path: path) }
        return values.enumerated().map { Rule(value: $0.element, path: "\(path).\($0.offset)") }
    }

    func bool() throws(TokenizerError) -> Bool {
        guard case .bool(let value) = try present() else { throw .invalidRule(path: path) }
        return value
    }

    func string() throws(TokenizerError) -> String {
        guard case .string(let value) = try present() else { throw .invalidRule(path: path) }
        return value
    }

    func integer<Number: FixedWidthInteger>() throws(TokenizerError) -> Number {
        guard case .number(let text) = try present(), let value = Number(text) else {
            throw .invalidRule(path: path)
        }
        return value
    }

    private func present() throws(TokenizerError) -> JSON {
        guard let value else { throw .missingRule(path: path) }
        return value
    }
}
