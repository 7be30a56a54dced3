import Foundation

@available(macOS 27, iOS 27, tvOS 27, watchOS 27, visionOS 27, *)
public struct AIModelAsset {
    public let metadata: Metadata

    public init(contentsOf url: URL) throws {
        let data = try Data(contentsOf: url.appendingPathComponent("metadata.json"))
        let json = try JSONSerialization.jsonObject(with: data) as? [String: Any]
        let values = json?["creatorDefinedMetadata"] as? [String: Any] ?? [:]
        metadata = Metadata(creatorDefinedMetadata: values.compactMapValues(Self.value))
    }

    /// Exports write texts alone.
    private static func value(_ value: Any) -> Metadata.CreatorDefinedValue? {
        (value as? String).map { .string($0) } ?? (value as? Int).map { .integer($0) }
    }

    public struct Metadata {
        public var creatorDefinedMetadata: [String: CreatorDefinedValue]

        public enum CreatorDefinedValue {
            case string(String)
            case integer(Int)
            case number(Double)
            case bool(Bool)
            case array([CreatorDefinedValue])
            case dictionary([String: CreatorDefinedValue])
        }
    }
}
