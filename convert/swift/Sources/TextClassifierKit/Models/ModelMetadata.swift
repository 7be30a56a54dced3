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
    /// Whether each length is a function that is loaded as a model of its own.
    let hasFunctions: Bool
    /// Whether the model, loaded once, takes all lengths: by one input, or as an asset.
    let takesAllLengths: Bool
    /// Whether it is an asset of Core AI.
    let isAsset: Bool

    init(_ values: [String: String]) throws {
        self.values = values
        labels = try Self.value("labels", in: values) { json in
            json.elements(\.text).flatMap { $0.isEmpty ? nil : $0 }
        }
        lengths = try Self.value("lengths", in: values) { json in
            json.elements { $0.integer.flatMap { $0 > 2 ? $0 : nil } }
                .flatMap { $0.isEmpty ? nil : $0.sorted() }
        }
        let options = try Self.value("options", in: values) { $0 }
        isAsset = options["format"]?.text == ModelKind.asset.rawValue
        guard !isAsset else {
            (batch, hasFunctions, takesAllLengths) = (1, false, true)
            return
        }
        guard let batch = options["batch"]?.integer, batch > 0,
            let hasFunctions = options["multifunction"]?.flag, let shapes = options["shapes"]?.text
        else { throw TextClassifierError.unreadableMetadata(key: Self.key("options")) }
        (self.batch, self.hasFunctions) = (batch, hasFunctions)
        takesAllLengths = shapes == "enumerated"
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

    static func key(_ name: String) -> String { "mlx_finbert.\(name)" }

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
