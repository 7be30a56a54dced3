import Foundation

/// The models of one export: where each length is, and those that are loaded to find that out.
struct ModelSet: Sendable {
    /// The metadata of the first model.
    let metadata: ModelMetadata
    /// The file of that model.
    let first: URL
    let sources: [Int: ModelSource]
    let loaded: [ModelSource: any LoadedModel]

    /// Loads one model, and all if their names do not tell their lengths.
    init(_ urls: [URL], by models: ModelLoader, on computeUnits: ComputeUnits) async throws {
        if let url = urls.first(where: { !FileManager.default.fileExists(atPath: $0.path) }) {
            throw TextClassifierError.missingFile(url)
        }
        let named = Self.lengths(inNamesOf: urls)
        guard let first = named?.min(by: { $0.key < $1.key })?.value ?? urls.first else {
            throw TextClassifierError.noModels
        }
        let model = try await models.load(ModelSource(url: first), on: computeUnits)
        var sources = Self.sources(of: model, at: first)
        var loaded: [ModelSource: any LoadedModel] = [Self.source(of: model, at: first): model]
        if let named, sources.count == 1, named[model.length] == first {
            sources = named.mapValues { ModelSource(url: $0) }
        } else {
            for url in urls where url != first {
                let other = try await models.load(ModelSource(url: url), on: computeUnits)
                loaded[Self.source(of: other, at: url)] = other
                for (length, source) in Self.sources(of: other, at: url) {
                    guard sources.updateValue(source, forKey: length) == nil else {
                        throw TextClassifierError.duplicateLength(length)
                    }
                }
            }
        }
        (metadata, self.first) = (model.metadata, first)
        (self.sources, self.loaded) = (sources, loaded)
    }

    /// The lengths that file names tell, as exports write them: NAME-32.mlpackage.
    ///
    /// - Returns: nil if a name tells none, or two names tell the same.
    private static func lengths(inNamesOf urls: [URL]) -> [Int: URL]? {
        var found: [Int: URL] = [:]
        for url in urls {
            let name = url.deletingPathExtension().lastPathComponent
            let parts = name.split(separator: "-", omittingEmptySubsequences: false)
            guard parts.count > 1, let length = parts.last.flatMap({ Int($0) }),
                found.updateValue(url, forKey: length) == nil
            else { return nil }
        }
        return found.isEmpty ? nil : found
    }

    /// Where each length of a model is.
    private static func sources(of model: any LoadedModel, at url: URL) -> [Int: ModelSource] {
        let metadata = model.metadata
        guard metadata.hasFunctions || metadata.takesAllLengths else {
            return [model.length: ModelSource(url: url)]
        }
        return metadata.lengths.reduce(into: [:]) { sources, length in
            sources[length] = ModelSource(
                url: url, function: metadata.hasFunctions ? functionName(length) : nil)
        }
    }

    /// Where a loaded model itself is.
    private static func source(of model: any LoadedModel, at url: URL) -> ModelSource {
        sources(of: model, at: url)[model.length] ?? ModelSource(url: url)
    }
}

/// The name of the function for rows of a length.
func functionName(_ length: Int) -> String { "length_\(length)" }
