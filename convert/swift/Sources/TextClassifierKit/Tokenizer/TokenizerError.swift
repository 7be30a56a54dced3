/// Why a model's metadata do not describe a tokenizer.
public enum TokenizerError: Error, Equatable, Sendable {
    /// The metadata have no value for this key.
    case missing(key: String)
    /// The value of this key cannot be read, for this reason.
    case unreadable(key: String, reason: String)
}
