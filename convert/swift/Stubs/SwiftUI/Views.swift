// Declarations of SwiftUI that the sample app uses, to type-check its views on Linux. Nothing runs.
@_exported import Foundation

@MainActor @preconcurrency
public protocol View {
    associatedtype Body: View
    @ViewBuilder @MainActor @preconcurrency var body: Body { get }
}
extension Never: View {
    public var body: Never { fatalError("never run") }
}
/// A view of the framework's own.
public protocol Leaf: View where Body == Never {}
extension Leaf {
    public var body: Never { fatalError("never run") }
}
extension Optional: View where Wrapped: View {
    public var body: Never { fatalError("never run") }
}
public struct EmptyView: Leaf { public init() {} }
public struct TupleView<T>: Leaf {}
public struct Either<First: View, Second: View>: Leaf {}
public struct Modified<Content: View>: Leaf {}

@MainActor @resultBuilder
public enum ViewBuilder {
    public static func buildExpression<C: View>(_ content: C) -> C { content }
    public static func buildBlock() -> EmptyView { EmptyView() }
    public static func buildBlock<C: View>(_ content: C) -> C { content }
    public static func buildBlock<each C: View>(_ content: repeat each C) -> TupleView<
        (repeat each C)
    > {
        TupleView()
    }
    public static func buildIf<C: View>(_ content: C?) -> C? { content }
    public static func buildEither<A: View, B: View>(first: A) -> Either<A, B> { Either() }
    public static func buildEither<A: View, B: View>(second: B) -> Either<A, B> { Either() }
}

public enum HorizontalAlignment: Sendable { case leading, center, trailing }
public enum VerticalAlignment: Sendable { case top, center, bottom }
public enum Alignment: Sendable { case leading, center, trailing }
public enum Axis: Sendable { case horizontal, vertical }

public struct VStack<C: View>: Leaf {
    public init(
        alignment: HorizontalAlignment = .center, spacing: CGFloat? = nil,
        @ViewBuilder content: () -> C
    ) {}
}
public struct HStack<C: View>: Leaf {
    public init(
        alignment: VerticalAlignment = .center, spacing: CGFloat? = nil,
        @ViewBuilder content: () -> C
    ) {}
}
public struct TabView<C: View>: Leaf { public init(@ViewBuilder content: () -> C) {} }
public struct ScrollView<C: View>: Leaf { public init(@ViewBuilder content: () -> C) {} }
public struct Spacer: Leaf { public init() {} }
public struct ForEach<D: RandomAccessCollection, ID: Hashable, C: View>: Leaf {
    public init(
        _ data: D, id: KeyPath<D.Element, ID>, @ViewBuilder content: @escaping (D.Element) -> C
    ) {}
    public init(_ data: D, @ViewBuilder content: @escaping (D.Element) -> C)
    where D.Element: Identifiable, ID == D.Element.ID {}
}

public struct Text: Leaf {
    public init<S: StringProtocol>(_ content: S) {}
    public init<F: FormatStyle>(_ input: F.FormatInput, format: F)
    where F.FormatInput: Equatable, F.FormatOutput == String {}
    public func monospacedDigit() -> Text { self }
}
public struct Label: Leaf { public init<S: StringProtocol>(_ title: S, systemImage: String) {} }
public struct Button: Leaf {
    public init<S: StringProtocol>(_ title: S, action: @escaping @MainActor () -> Void) {}
}
public struct ProgressView: Leaf {
    public init() {}
    public init<V: BinaryFloatingPoint>(value: V?, total: V = 1) {}
}
public struct TextField: Leaf {
    public init<S: StringProtocol>(_ title: S, text: Binding<String>, axis: Axis) {}
}
public struct Picker<Selection: Hashable, C: View>: Leaf {
    public init<S: StringProtocol>(
        _ title: S, selection: Binding<Selection>, @ViewBuilder content: () -> C
    ) {}
}
