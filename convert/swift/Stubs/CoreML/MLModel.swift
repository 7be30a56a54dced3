// The part of Core ML that the package uses, for systems without it. Declarations follow Apple's
// SDK, so that code that compiles here compiles there. Python runs the model: see Stubs/Evaluator.
//
// Today's SDK does not declare MLModel as Sendable. Code must also compile where it is:
// SENDABLE_MODEL makes it so.
import Evaluator
import Foundation

public enum MLComputeUnits: Int, Sendable {
    case cpuOnly = 0
    case cpuAndGPU = 1
    case all = 2
    case cpuAndNeuralEngine = 3
}

open class MLModelConfiguration: NSObject {
    open var computeUnits: MLComputeUnits = .all
    @available(macOS 15, iOS 18, *)
    open var functionName: String? {
        get { function }
        set { function = newValue }
    }
    private var function: String?
    public override init() {}
}

public struct MLModelError: LocalizedError {
    public let errorDescription: String?
}

public struct MLModelMetadataKey: RawRepresentable, Hashable, Sendable {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    public static let creatorDefinedKey = MLModelMetadataKey(rawValue: "MLModelCreatorDefinedKey")
}

open class MLMultiArrayConstraint: NSObject {
    public let shape: [NSNumber]
    init(shape: [Int]) { self.shape = shape.map { NSNumber(value: $0) } }
}

open class MLFeatureDescription: NSObject {
    public let name: String
    public let multiArrayConstraint: MLMultiArrayConstraint?
    init(name: String, shape: [Int]) {
        self.name = name
        multiArrayConstraint = MLMultiArrayConstraint(shape: shape)
    }
}

open class MLModelDescription: NSObject {
    public let inputDescriptionsByName: [String: MLFeatureDescription]
    public let metadata: [MLModelMetadataKey: Any]
    init(_ answer: [String: Any]) {
        var inputs: [String: MLFeatureDescription] = [:]
        for (name, shape) in answer["inputs"] as? [String: [Int]] ?? [:] {
            inputs[name] = MLFeatureDescription(name: name, shape: shape)
        }
        inputDescriptionsByName = inputs
        metadata = [.creatorDefinedKey: answer["metadata"] as? [String: String] ?? [:]]
    }
}

open class MLModel: NSObject {
    public let modelDescription: MLModelDescription
    private let evaluator: Evaluator

    private init(compiled url: URL, configuration: MLModelConfiguration) throws {
        evaluator = try Evaluator()
        var question: [String: Any] = [
            "package": url.path, "computeUnits": String(describing: configuration.computeUnits),
        ]
        if #available(macOS 15, iOS 18, *) { question["function"] = configuration.functionName }
        modelDescription = MLModelDescription(try evaluator.answer(to: question))
    }

    open class func load(
        contentsOf url: URL, configuration: MLModelConfiguration = MLModelConfiguration()
    ) async throws -> MLModel {
        guard url.pathExtension == "mlmodelc" else {
            throw MLModelError(errorDescription: "\(url.lastPathComponent) is not a compiled model")
        }
        return try MLModel(compiled: url, configuration: configuration)
    }

    /// Copies the package: the evaluator reads it as it is.
    open class func compileModel(at url: URL) async throws -> URL {
        let manifest = url.appendingPathComponent("Manifest.json")
        guard FileManager.default.fileExists(atPath: manifest.path) else {
            throw MLModelError(errorDescription: "\(url.lastPathComponent) is not a package")
        }
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let name = url.deletingPathExtension().lastPathComponent + ".mlmodelc"
        let compiled = folder.appendingPathComponent(name)
        try FileManager.default.copyItem(at: url, to: compiled)
        return compiled
    }

    open func prediction(from input: any MLFeatureProvider) throws -> any MLFeatureProvider {
        var feeds: [String: Any] = [:]
        for name in input.featureNames {
            guard let array = input.featureValue(for: name)?.multiArrayValue else { continue }
            feeds[name] = ["shape": array.shape.map(\.intValue), "data": array.values]
        }
        return try features(of: evaluator.answer(to: ["inputs": feeds]))
    }

    open func predictions(fromBatch inputBatch: any MLBatchProvider) throws -> any MLBatchProvider {
        let inputs = (0..<inputBatch.count).map(inputBatch.features)
        return MLArrayBatchProvider(array: try inputs.map(prediction))
    }
}

#if SENDABLE_MODEL
    extension MLModel: @unchecked Sendable {}
#endif

/// The outputs in an answer: `{"string": ...}`, `{"dictionary": {...}}`, or a shape with its data.
private func features(of answer: [String: Any]) throws -> MLDictionaryFeatureProvider {
    var found: [String: Any] = [:]
    for (name, value) in answer as? [String: [String: Any]] ?? [:] {
        if let string = value["string"] as? String {
            found[name] = MLFeatureValue(string: string)
        } else if let dictionary = value["dictionary"] as? [String: NSNumber] {
            found[name] = try MLFeatureValue(dictionary: dictionary)
        } else if let shape = value["shape"] as? [NSNumber], let data = value["data"] as? [Any] {
            // JSON has no NaN: null is one.
            let values = data.map { ($0 as? NSNumber)?.doubleValue ?? .nan }
            found[name] = MLMultiArray(shape: shape, dataType: .float32, values: values)
        }
    }
    return try MLDictionaryFeatureProvider(dictionary: found)
}
