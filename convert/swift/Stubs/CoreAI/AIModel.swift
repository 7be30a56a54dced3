// The part of Core AI that the package uses, for systems without it. Declarations follow Apple's
// documentation, where only `AIModel` and `InferenceFunction` are said to be Sendable. Code must
// also compile where arrays and outputs are: SENDABLE_MODEL makes them so. Apple's runtime runs the
// model, in a process of Python: see Stubs/Evaluator.
import Evaluator
import Foundation

@available(macOS 27, iOS 27, tvOS 27, watchOS 27, visionOS 27, *)
public enum ComputeUnitKind: Hashable, Sendable {
    case cpu
    case gpu
    case neuralEngine
}

@available(macOS 27, iOS 27, tvOS 27, watchOS 27, visionOS 27, *)
public struct SpecializationOptions: Sendable {
    public static let `default` = SpecializationOptions(name: "default")
    public static let cpuOnly = SpecializationOptions(name: "cpuOnly")
    let name: String

    private init(name: String) { self.name = name }

    public init(preferredComputeUnitKind: ComputeUnitKind) {
        name = String(describing: preferredComputeUnitKind)
    }
}

@available(macOS 27, iOS 27, tvOS 27, watchOS 27, visionOS 27, *)
public struct AIModel: Sendable {
    public let functionNames: [String]
    private let evaluator: Evaluator

    public init(
        contentsOf modelURL: URL, options: SpecializationOptions = .default
    ) async throws {
        evaluator = try Evaluator()
        let question = ["package": modelURL.path, "computeUnits": options.name]
        let answer = try evaluator.answer(to: question)
        functionNames = answer["functions"] as? [String] ?? []
    }

    public func loadFunction(named functionName: String) throws -> InferenceFunction? {
        guard functionNames.contains(functionName) else { return nil }
        return InferenceFunction(name: functionName, evaluator: evaluator)
    }
}

@available(macOS 27, iOS 27, tvOS 27, watchOS 27, visionOS 27, *)
public struct InferenceFunction: Sendable {
    let name: String
    let evaluator: Evaluator

    /// Views have a place in Apple's declaration, after the inputs, and default to none.
    public func run(inputs: [String: NDArray]) async throws -> Outputs {
        let feeds = inputs.mapValues { ["shape": $0.shape, "data": $0.values] as [String: Any] }
        return Outputs(try evaluator.answer(to: ["function": name, "inputs": feeds]))
    }

    public struct Outputs {
        private var values: [String: NDArray] = [:]

        /// The outputs in an answer: a shape with its data.
        init(_ answer: [String: Any]) {
            for (name, value) in answer as? [String: [String: Any]] ?? [:] {
                guard let shape = value["shape"] as? [Int], let data = value["data"] as? [Any]
                else { continue }
                // JSON has no NaN: null is one.
                let floats = data.map { ($0 as? NSNumber)?.floatValue ?? .nan }
                values[name] = NDArray(scalars: floats, shape: shape)
            }
        }

        public mutating func remove(_ name: String) -> InferenceValue? {
            values.removeValue(forKey: name).map(InferenceValue.init)
        }
    }
}

@available(macOS 27, iOS 27, tvOS 27, watchOS 27, visionOS 27, *)
public struct InferenceValue {
    public let ndArray: NDArray?
    init(_ array: NDArray) { ndArray = array }
}

#if SENDABLE_MODEL
    extension InferenceFunction.Outputs: Sendable {}
    extension InferenceValue: Sendable {}
#endif
