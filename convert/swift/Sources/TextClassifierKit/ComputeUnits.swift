@preconcurrency import CoreML

/// The processors that may run a model.
///
/// Of two processors, Core AI is told to prefer the second, and may still use others. It keeps to
/// `cpuOnly`, as Core ML keeps to each.
public enum ComputeUnits: String, Sendable, Hashable, Codable, CaseIterable {
    /// CPU, GPU and Neural Engine, as the system chooses.
    case all
    /// CPU and Neural Engine: leaves the GPU to the app.
    case cpuAndNeuralEngine
    /// CPU and GPU: loads at once, where the Neural Engine needs seconds to compile a model that
    /// the system does not have in its cache.
    case cpuAndGPU
    /// The CPU alone.
    case cpuOnly

    var forCoreML: MLComputeUnits {
        switch self {
        case .all: .all
        case .cpuAndNeuralEngine: .cpuAndNeuralEngine
        case .cpuAndGPU: .cpuAndGPU
        case .cpuOnly: .cpuOnly
        }
    }

    /// These, then those to fall back to.
    var withFallbacks: [ComputeUnits] {
        switch self {
        case .all, .cpuAndNeuralEngine: [self, .cpuAndGPU, .cpuOnly]
        case .cpuAndGPU: [self, .cpuOnly]
        case .cpuOnly: [self]
        }
    }
}
