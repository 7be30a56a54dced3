import Foundation

/// Loads models: assets by Core AI, all others by Core ML.
struct ModelLoader: Sendable {
    private let compiled: CompiledModels

    /// - Parameter folder: the folder of the compiled models; nil for one in Application Support.
    init(compiledModels folder: URL?) {
        compiled = CompiledModels(folder: folder)
    }

    func load(
        _ source: ModelSource, on computeUnits: ComputeUnits
    ) async throws -> any LoadedModel {
        do {
            guard ModelKind(of: source.url) != .asset else {
                return try await asset(at: source.url, on: computeUnits)
            }
            return try await compiled.load(source, on: computeUnits)
        } catch let error as TextClassifierError {
            throw error
        } catch {
            throw TextClassifierError.unreadableModel(
                source.url, reason: error.localizedDescription)
        }
    }

    private func asset(
        at url: URL, on computeUnits: ComputeUnits
    ) async throws -> any LoadedModel {
        #if canImport(CoreAI)
            if #available(macOS 27, iOS 27, tvOS 27, watchOS 27, visionOS 27, *) {
                return try await CoreAIModel(contentsOf: url, on: computeUnits)
            }
        #endif
        throw TextClassifierError.needsCoreAI(url)
    }
}
