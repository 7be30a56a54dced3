import Foundation

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
        labels = try Self.decoded("labels", in: values)
        lengths = try Self.decoded("lengths", in: values, as: [Int].self).sorted()
        let options: Options = try Self.decoded("options", in: values)
        (batch, hasFunctions) = (options.batch, options.multifunction)
        hasShapes = options.shapes == "enumerated"
        let isRight = [
            "labels": !labels.isEmpty, "lengths": (lengths.first ?? 0) > 2, "options": batch > 0,
        ]
        if let name = isRight.first(where: { !$0.value })?.key {
            throw TextClassifierError.unreadableMetadata(key: Self.key(name))
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

    private struct Options: Decodable {
        let batch: Int
        let multifunction: Bool
        let shapes: String
    }

    private static func key(_ name: String) -> String { "mlx_finbert.\(name)" }

    private static func decoded<Value: Decodable>(
        _ name: String, in values: [String: String], as: Value.Type = Value.self
    ) throws -> Value {
        guard let text = values[key(name)] else {
            throw TextClassifierError.missingMetadata(key: key(name))
        }
        do {
            return try JSONDecoder().decode(Value.self, from: Data(text.utf8))
        } catch {
            throw TextClassifierError.unreadableMetadata(key: key(name))
        }
    }
}
