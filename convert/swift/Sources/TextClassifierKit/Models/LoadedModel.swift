/// A model in memory, of Core ML or of Core AI.
protocol LoadedModel: Sendable {
    var metadata: ModelMetadata { get }
    /// The length of its rows, or the default one of several.
    var length: Int { get }

    /// The probabilities of rows, in the order of the labels.
    ///
    /// - Parameters:
    ///   - rows: token ids, at most `length` in a row.
    ///   - length: one of the model's lengths.
    func probabilities(
        of rows: [[Int32]], length: Int, paddingID: Int32
    ) async throws -> [[Double]]
}

extension LoadedModel {
    /// Whether it takes rows of this length.
    func takes(_ length: Int) -> Bool {
        metadata.takesAllLengths ? metadata.lengths.contains(length) : length == self.length
    }

    /// The probabilities of a row, as far as the model has given them.
    ///
    /// - Throws: where a label has none, or one that is not a number.
    func checked(_ found: [Double?]) throws -> [Double] {
        let probabilities = found.compactMap { $0 }
        guard probabilities.count == metadata.labels.count else {
            throw TextClassifierError.missingOutput(probabilitiesName)
        }
        guard probabilities.allSatisfy(\.isFinite) else { throw TextClassifierError.notFinite }
        return probabilities
    }
}

// The names of inputs and outputs in every export.
let idsName = "input_ids"
let maskName = "attention_mask"
let probabilitiesName = "probabilities"

/// A row of this length, filled up with a value.
func padded(_ row: [Int32], to length: Int, with value: Int32) -> [Int32] {
    row + [Int32](repeating: value, count: max(length - row.count, 0))
}

/// 1 for each token of a row, and 0 for its padding.
func mask(of row: [Int32], to length: Int) -> [Int32] {
    padded([Int32](repeating: 1, count: row.count), to: length, with: 0)
}
