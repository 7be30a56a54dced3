/// Turns a text into a model's token ids, exactly as Hugging Face's fast tokenizer does.
///
/// Everything comes from the model's metadata: the rules, the vocabulary, the added tokens. Neither
/// the locale nor the system's version of Unicode affects the result.
public struct Tokenizer: Sendable {
    /// The id that fills a row up to its length.
    public let paddingID: Int32

    private let model: Model
    private let rawTokens: AddedTokens
    private let normalizedTokens: AddedTokens
    private let firstID: Int32
    private let lastID: Int32

    /// Makes the tokenizer that a model's metadata describe.
    ///
    /// - Parameter metadata: the model's user-defined metadata, with keys such as
    ///   `mlx_finbert.tokenizer`.
    /// - Throws: `TokenizerError`, which names what is missing or invalid.
    public init(metadata: [String: String]) throws(TokenizerError) {
        let rules = try TokenizerRules(json: metadata.value(of: "mlx_finbert.tokenizer"))
        let tokens = MetadataLines(try metadata.value(of: "mlx_finbert.vocabulary"))
        let special = rules.specialTokens
        paddingID = try tokens.id(special.pad)
        firstID = try tokens.id(special.cls)
        lastID = try tokens.id(special.sep)
        for token in rules.addedTokens { _ = try tokens.id(token.id) }
        let vocabulary = ByteTrie(of: tokens, without: rules.addedTokens)
        switch rules.model {
        case .wordPieces(let rules):
            let unknownID = try tokens.id(special.unk)
            let pieces = WordPieces(vocabulary, rules: rules, unknownID: unknownID)
            model = .wordPieces(BertNormalizer(rules), pieces)
        case .bytePairs(let rules):
            let merges = MetadataLines(try metadata.value(of: "mlx_finbert.merges", or: ""))
            model = .bytePairs(try BytePairs(vocabulary, merges: merges, rules: rules))
        }
        let model = model
        rawTokens = AddedTokens(
            rules.addedTokens.filter { !$0.normalized }.map { ($0, Array($0.content.utf8)) })
        normalizedTokens = AddedTokens(
            rules.addedTokens.filter(\.normalized).map { ($0, model.normalized($0.content)) })
    }

    /// Encodes a text as one row, between the model's first and last special token.
    ///
    /// - Parameters:
    ///   - text: any text.
    ///   - maxLength: the largest number of ids in the row, with both special tokens; nil for no
    ///     limit.
    public func encode(_ text: String, maxLength: Int? = nil) -> Encoding {
        let room = maxLength.map { max($0, specialTokenCount) - specialTokenCount } ?? .max
        let pieces = pieces(of: text, limit: room)
        let kept = pieces.prefix(room)
        return Encoding(inputIDs: row(of: kept), isTruncated: pieces.count > room)
    }

    /// The ids of a whole text, without special tokens around them.
    func pieces(of text: String) -> [Int32] { pieces(of: text, limit: .max) }

    /// A row: pieces between the special tokens.
    func row(of pieces: ArraySlice<Int32>) -> [Int32] {
        var row: [Int32] = []
        row.reserveCapacity(pieces.count + specialTokenCount)
        row.append(firstID)
        row.append(contentsOf: pieces)
        row.append(lastID)
        return row
    }

    /// The number of special tokens in a row, around its pieces.
    var specialTokenCount: Int { 2 }

    /// The ids of a text, or if there are more than `limit`, at least one more than that.
    private func pieces(of text: String, limit: Int) -> [Int32] {
        var text = text
        var ids: [Int32] = []
        text.withUTF8 { text in
            var parts = rawTokens.parts(of: text)
            while ids.count <= limit, let part = parts.next() {
                switch part {
                case .token(let id): ids.append(id)
                case .text(let range): encode(text.part(range), into: &ids, limit: limit)
                }
            }
        }
        return ids
    }

    private func encode(_ text: UTF8Text, into ids: inout [Int32], limit: Int) {
        guard case .wordPieces(let normalizer, _) = model else {
            return encodeNormalized(text, into: &ids, limit: limit)
        }
        var normalization = Normalization(of: text, by: normalizer)
        if !normalizedTokens.isEmpty {
            // A token may span parts.
            normalization.advanceToEnd()
            normalization.part.withUnsafeBufferPointer {
                encodeNormalized($0, into: &ids, limit: limit)
            }
        }
        while ids.count <= limit, normalization.advance() {
            normalization.part.withUnsafeBufferPointer {
                encodeNormalized($0, into: &ids, limit: limit)
            }
        }
    }

    private func encodeNormalized(_ text: UTF8Text, into ids: inout [Int32], limit: Int) {
        var parts = normalizedTokens.parts(of: text)
        while ids.count <= limit, let part = parts.next() {
            switch part {
            case .token(let id): ids.append(id)
            case .text(let range): model.encode(text.part(range), into: &ids, limit: limit)
            }
        }
    }
}

/// How the text between added tokens is split.
private enum Model: Sendable {
    case wordPieces(BertNormalizer, WordPieces)
    case bytePairs(BytePairs)

    /// The text in which the pieces are found.
    func normalized(_ text: String) -> [UInt8] {
        switch self {
        case .bytePairs: return Array(text.utf8)
        case .wordPieces(let normalizer, _):
            var text = text
            return text.withUTF8 { text in
                var normalization = Normalization(of: text, by: normalizer)
                normalization.advanceToEnd()
                return normalization.part
            }
        }
    }

    /// Appends the ids of a normalized text, until there are more than `limit` ids.
    func encode(_ text: UTF8Text, into ids: inout [Int32], limit: Int) {
        switch self {
        case .wordPieces(_, let pieces): pieces.encode(text, into: &ids, limit: limit)
        case .bytePairs(let pairs): pairs.encode(text, into: &ids, limit: limit)
        }
    }
}

/// The token ids of a text.
public struct Encoding: Sendable, Hashable {
    /// The ids, with special tokens and without padding.
    public let inputIDs: [Int32]
    /// Whether the text has more tokens than the row.
    public let isTruncated: Bool
}

extension [String: String] {
    fileprivate func value(
        of key: String, or standard: String? = nil
    ) throws(TokenizerError) -> String {
        guard let value = self[key] ?? standard else { throw .missingMetadata(key: key) }
        // Ids have 32 bits.
        guard value.utf8.count < Int32.max else { throw .metadataTooLarge(key: key) }
        return value
    }
}

extension MetadataLines {
    /// An id from the rules, if it is that of a token.
    fileprivate func id(_ id: Int32) throws(TokenizerError) -> Int32 {
        guard id >= 0, id < count, !self[Int(id)].isEmpty else { throw .unknownID(id) }
        return id
    }
}

extension ByteTrie {
    /// The ids of the tokens that words are split into.
    fileprivate init(of tokens: MetadataLines, without added: [AddedToken]) {
        let apart = Set(added.filter { !$0.inModel }.map(\.id))
        // The line of an id without a token is empty.
        for id in 0..<tokens.count where !tokens[id].isEmpty && !apart.contains(Int32(id)) {
            insert(tokens[id], value: Int32(id))
        }
    }
}
