/// What an export says in a model's user-defined metadata.
struct ModelMetadata: Sendable {
    /// All values, by key.
    let values: [String: String]
    /// In the order of the model's outputs.
    let labels: [String]
    /// The lengths of rows that the model's file takes, ascending.
    let lengths: [Int]
    /// The rows of one prediction.
    let batch: Int
    /// Whether each length is a function of its own.
    let hasFunctions: Bool
    /// Whether one input takes all lengths.
    let hasShapes: Bool

    init(_ values: [String: String]) throws {
        self.values = values
        labels = try Self.value("labels", in: values) { json in
            json.elements(\.text).flatMap { $0.isEmpty ? nil : $0 }
        }
        lengths = try Self.value("lengths", in: values) { json in
            json.elements { $0.integer.flatMap { $0 > 2 ? $0 : nil } }
                .flatMap { $0.isEmpty ? nil : $0.sorted() }
        }
        (batch, hasFunctions, hasShapes) = try Self.value("options", in: values) { json in
            guard let batch = json["batch"]?.integer, batch > 0,
                let hasFunctions = json["multifunction"]?.flag, let shapes = json["shapes"]?.text
            else { return nil }
            return (batch, hasFunctions, shapes == "enumerated")
        }
    }

    /// The first key by which this is another export than `other`.
    func differingKey(from other: ModelMetadata) -> String? {
        ["labels", "tokenizer", "vocabulary_sha256", "source_sha256"].map(Self.key)
            .first { values[$0] != other.values[$0] }
    }

    func tokenizer() throws -> Tokenizer {
        do {
            return try Tokenizer(metadata: values)
        } catch .missingMetadata(let key) {
            throw TextClassifierError.missingMetadata(key: key)
        } catch {
            throw TextClassifierError.tokenizer(error)
        }
    }

    private static func key(_ name: String) -> String { "mlx_finbert.\(name)" }

    private static func value<Value>(
        _ name: String, in values: [String: String], _ read: (JSON) -> Value?
    ) throws -> Value {
        guard let text = values[key(name)] else {
            throw TextClassifierError.missingMetadata(key: key(name))
        }
        guard let value = JSON(text).flatMap(read) else {
            throw TextClassifierError.unreadableMetadata(key: key(name))
        }
        return value
    }
}
