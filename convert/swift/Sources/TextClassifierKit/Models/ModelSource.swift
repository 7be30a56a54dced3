@preconcurrency import CoreML
import Foundation

/// A model's file, and for a package of several functions the one to run.
struct ModelSource: Sendable, Hashable {
    let url: URL
    /// nil for the only function, or the default one.
    var function: String?
}

/// How a model is loaded.
struct ModelConfiguration: Sendable {
    let computeUnits: ComputeUnits
    let function: String?

    func forCoreML() throws -> MLModelConfiguration {
        let configuration = MLModelConfiguration()
        configuration.computeUnits = computeUnits.forCoreML
        guard let function else { return configuration }
        guard #available(macOS 15, iOS 18, tvOS 18, watchOS 11, visionOS 2, *) else {
            throw TextClassifierError.functionsNeedNewerSystem
        }
        configuration.functionName = function
        return configuration
    }
}
