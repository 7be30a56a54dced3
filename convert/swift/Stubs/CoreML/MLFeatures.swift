import Foundation

public enum MLMultiArrayDataType: Int, Sendable {
    case float32 = 65568
    case int32 = 131104
}

open class MLMultiArray: NSObject {
    public let shape: [NSNumber]
    public let dataType: MLMultiArrayDataType
    open var count: Int { values.count }
    let values: [Double]

    init(shape: [NSNumber], dataType: MLMultiArrayDataType, values: [Double]) {
        self.shape = shape
        self.dataType = dataType
        self.values = values
    }

    open subscript(key: [NSNumber]) -> NSNumber {
        var index = 0
        for (position, size) in zip(key, shape) {
            precondition(0 <= position.intValue && position.intValue < size.intValue)
            index = index * size.intValue + position.intValue
        }
        return NSNumber(value: values[index])
    }
}

public struct MLShapedArray<Scalar> {
    public let shape: [Int]
    public let scalars: [Scalar]
    public init<S: Sequence>(scalars: S, shape: [Int]) where S.Element == Scalar {
        self.scalars = Array(scalars)
        self.shape = shape
        precondition(self.scalars.count == shape.reduce(1, *))
    }
}

extension MLMultiArray {
    public convenience init<Scalar: BinaryInteger>(_ array: MLShapedArray<Scalar>) {
        self.init(
            shape: array.shape.map { NSNumber(value: $0) }, dataType: .int32,
            values: array.scalars.map { Double($0) })
    }
}

open class MLFeatureValue: NSObject {
    public let multiArrayValue: MLMultiArray?
    public let stringValue: String
    public let dictionaryValue: [AnyHashable: NSNumber]

    public init(multiArray: MLMultiArray) {
        (multiArrayValue, stringValue, dictionaryValue) = (multiArray, "", [:])
    }
    public init(string: String) {
        (multiArrayValue, stringValue, dictionaryValue) = (nil, string, [:])
    }
    public init(dictionary: [AnyHashable: NSNumber]) throws {
        (multiArrayValue, stringValue, dictionaryValue) = (nil, "", dictionary)
    }
}

public protocol MLFeatureProvider {
    var featureNames: Set<String> { get }
    func featureValue(for featureName: String) -> MLFeatureValue?
}

open class MLDictionaryFeatureProvider: NSObject, MLFeatureProvider {
    public let dictionary: [String: MLFeatureValue]

    public init(dictionary: [String: Any]) throws {
        self.dictionary = try dictionary.mapValues { value in
            if let value = value as? MLFeatureValue { return value }
            if let array = value as? MLMultiArray { return MLFeatureValue(multiArray: array) }
            throw MLModelError(errorDescription: "\(type(of: value)) is not a feature value")
        }
    }
    open var featureNames: Set<String> { Set(dictionary.keys) }
    open func featureValue(for featureName: String) -> MLFeatureValue? { dictionary[featureName] }
}

public protocol MLBatchProvider {
    var count: Int { get }
    func features(at index: Int) -> any MLFeatureProvider
}

open class MLArrayBatchProvider: NSObject, MLBatchProvider {
    public let array: [any MLFeatureProvider]
    public init(array: [any MLFeatureProvider]) { self.array = array }
    open var count: Int { array.count }
    open func features(at index: Int) -> any MLFeatureProvider { array[index] }
}
