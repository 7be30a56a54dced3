// Declarations of App Intents that the sample app uses, to type-check it on Linux.

public struct LocalizedStringResource: ExpressibleByStringInterpolation, Sendable {
    public init(stringLiteral value: String) {}
}

public struct IntentDescription: ExpressibleByStringLiteral, Sendable {
    public init(_ descriptionText: LocalizedStringResource) {}
    public init(stringLiteral value: String) {}
}

public struct IntentDialog: ExpressibleByStringInterpolation, Sendable {
    public init(stringLiteral value: String) {}
}

public protocol AppIntent: Sendable {
    associatedtype PerformResult: IntentResult
    static var title: LocalizedStringResource { get }
    static var description: IntentDescription? { get }
    init()
    func perform() async throws -> PerformResult
}
extension AppIntent {
    public static var description: IntentDescription? { nil }
    public typealias Parameter = IntentParameter
}

@propertyWrapper
public final class IntentParameter<Value: Sendable>: @unchecked Sendable {
    public var wrappedValue: Value {
        get { fatalError("never run") }
        set {}
    }
    public init(title: LocalizedStringResource) {}
}

public protocol IntentResult {}
public protocol ReturnsValue<Value>: IntentResult { associatedtype Value }
public protocol ProvidesDialog: IntentResult {}

public struct IntentResultContainer<Value, Dialog>: IntentResult {}
extension IntentResultContainer: ReturnsValue {}
extension IntentResultContainer: ProvidesDialog where Dialog == IntentDialog {}
extension IntentResult {
    public static func result<V>(value: V, dialog: IntentDialog) -> Self
    where Self == IntentResultContainer<V, IntentDialog> { Self() }
}
