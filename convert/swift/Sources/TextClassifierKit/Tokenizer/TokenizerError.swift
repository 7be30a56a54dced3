import Foundation

/// Why a model's metadata do not describe a tokenizer.
public enum TokenizerError: Error, Equatable, Sendable {
    /// The metadata have no value for this key.
    case missingMetadata(key: String)
    /// The value of `mlx_finbert.tokenizer` is not a JSON object.
    case unreadableRules
    /// A rule is missing; its path is such as `added_tokens.3.lstrip`.
    case missingRule(path: String)
    /// A rule has a value of another type, or one out of range.
    case invalidRule(path: String)
    /// The tokenizer is neither `wordpiece` nor `byte_pair`.
    case unknownKind(String)
    /// The vocabulary has no token for an id in the rules.
    case unknownID(Int32)
    /// The value of this key has more than 2 GB.
    case metadataTooLarge(key: String)
    /// A byte-pair vocabulary has no token for a byte.
    case missingByte(UInt8)
    /// A line of `mlx_finbert.merges`, counted from 1, does not name two tokens that become a
    /// third.
    case unknownMerge(line: Int)
}

extension TokenizerError: LocalizedError {
    /// What is wrong, and what to do.
    public var errorDescription: String? {
        let problem =
            switch self {
            case .missingMetadata(let key): "there is no \(key)"
            case .unreadableRules: "mlx_finbert.tokenizer is not a JSON object"
            case .missingRule(let path): "mlx_finbert.tokenizer has no \(path)"
            case .invalidRule(let path): "\(path) in mlx_finbert.tokenizer has an invalid value"
            case .unknownKind(let kind):
                "the kind of tokenizer is \(kind), not wordpiece or byte_pair"
            case .unknownID(let id): "the vocabulary has no token with the id \(id)"
            case .metadataTooLarge(let key): "\(key) is larger than 2 GB"
            case .missingByte(let byte): "the vocabulary has no token for the byte \(byte)"
            case .unknownMerge(let line): "line \(line) of the merges does not fit the vocabulary"
            }
        return
            "The model's metadata do not describe a tokenizer: \(problem). Export the model again."
    }
}
