@preconcurrency import CoreML
import Foundation

/// A model of Core ML in memory, which makes one prediction at a time.
actor CoreMLModel: LoadedModel {
    nonisolated let metadata: ModelMetadata
    nonisolated let length: Int
    private let model: MLModel
    /// Whether the mask is an input; otherwise the model derives it from the padding.
    private let takesMask: Bool

    /// - Throws: any error of Core ML, and `TextClassifierError` for a model without the metadata
    ///   or inputs of an export.
    init(compiled url: URL, configuration: ModelConfiguration) async throws {
        let model = try await MLModel.load(
            contentsOf: url, configuration: configuration.forCoreML())
        let description = model.modelDescription
        let values = description.metadata[.creatorDefinedKey] as? [String: String]
        let metadata = try ModelMetadata(values ?? [:])
        let inputs = description.inputDescriptionsByName
        guard let shape = inputs[idsName]?.multiArrayConstraint?.shape.map(\.intValue),
            shape.count == 2, shape[0] == metadata.batch, metadata.lengths.contains(shape[1])
        else { throw TextClassifierError.missingInput(idsName) }
        self.metadata = metadata
        self.model = model
        length = shape[1]
        takesMask = inputs[maskName] != nil
    }

    func probabilities(of rows: [[Int32]], length: Int, paddingID: Int32) throws -> [[Double]] {
        let batch = metadata.batch
        let starts = Array(stride(from: 0, to: rows.count, by: batch))
        let inputs = try starts.map { start in
            try input(rows[start..<min(start + batch, rows.count)], length, paddingID)
        }
        let outputs = try predictions(inputs)
        return try zip(starts, outputs).flatMap { start, output in
            try (0..<min(batch, rows.count - start)).map { try probabilities(in: output, row: $0) }
        }
    }

    /// The input of one prediction; it is filled up by repeating its first row.
    private func input(
        _ rows: ArraySlice<[Int32]>, _ length: Int, _ paddingID: Int32
    ) throws -> any MLFeatureProvider {
        let missing = metadata.batch - rows.count
        let filled = Array(rows) + Array(repeating: rows.first ?? [], count: missing)
        let shape = [metadata.batch, length]
        let ids = filled.flatMap { padded($0, to: length, with: paddingID) }
        var features = [idsName: MLMultiArray(MLShapedArray(scalars: ids, shape: shape))]
        if takesMask {
            let masks = filled.flatMap { mask(of: $0, to: length) }
            features[maskName] = MLMultiArray(MLShapedArray(scalars: masks, shape: shape))
        }
        return try MLDictionaryFeatureProvider(dictionary: features)
    }

    private func predictions(_ inputs: [any MLFeatureProvider]) throws -> [any MLFeatureProvider] {
        do {
            let outputs = try model.predictions(fromBatch: MLArrayBatchProvider(array: inputs))
            return (0..<outputs.count).map(outputs.features)
        } catch {
            throw TextClassifierError.failedPrediction(reason: error.localizedDescription)
        }
    }

    /// The probabilities of a row, from a classifier's dictionary or from an array.
    private func probabilities(in output: any MLFeatureProvider, row: Int) throws -> [Double] {
        let feature = output.featureValue(for: probabilitiesName)
        var found: [Double?] = []
        if let array = feature?.multiArrayValue {
            if array.shape.map(\.intValue) == [metadata.batch, metadata.labels.count] {
                found = metadata.labels.indices.map { array[[row, $0] as [NSNumber]].doubleValue }
            }
        } else if let values = feature?.dictionaryValue as? [String: NSNumber] {
            found = metadata.labels.map { values[$0]?.doubleValue }
        }
        return try checked(found)
    }
}
