/// The models of one export; each is loaded once, when it is first needed.
actor ModelStore {
    private let set: ModelSet
    private let models: ModelLoader
    private var loading: [Key: Task<any LoadedModel, any Error>] = [:]

    private struct Key: Hashable {
        let source: ModelSource
        let computeUnits: ComputeUnits
    }

    /// - Parameter computeUnits: those on which the loaded models of the set run.
    init(_ set: ModelSet, by models: ModelLoader, on computeUnits: ComputeUnits) {
        self.set = set
        self.models = models
        for (source, model) in set.loaded {
            loading[Key(source: source, computeUnits: computeUnits)] = Task { model }
        }
    }

    /// The model for rows of a length; one that could not be loaded is tried again.
    func model(_ length: Int, on computeUnits: ComputeUnits) async throws -> any LoadedModel {
        guard let source = set.sources[length] else {
            throw TextClassifierError.missingLength(length)
        }
        let key = Key(source: source, computeUnits: computeUnits)
        let task = loading[key] ?? Task { [set, models] in
            let model = try await models.load(source, on: computeUnits)
            if let name = model.metadata.differingKey(from: set.metadata) {
                throw TextClassifierError.differentExport(source.url, key: name)
            }
            return model
        }
        loading[key] = task
        do {
            let model = try await task.value
            guard model.takes(length) else { throw TextClassifierError.missingLength(length) }
            return model
        } catch {
            if loading[key] == task { loading[key] = nil }
            throw error
        }
    }

    /// Forgets the models on these compute units, so that their memory is free.
    func unload(_ computeUnits: ComputeUnits) {
        loading = loading.filter { $0.key.computeUnits != computeUnits }
    }
}
