@MainActor @preconcurrency
public protocol Scene {
    associatedtype Body: Scene
    @SceneBuilder @MainActor @preconcurrency var body: Body { get }
}
extension Never: Scene {}
public protocol LeafScene: Scene where Body == Never {}
extension LeafScene {
    public var body: Never { fatalError("never run") }
}
public struct TupleScene<First: Scene, Second: Scene>: LeafScene {}
public struct ModifiedScene<Content: Scene>: LeafScene {}

@MainActor @resultBuilder
public enum SceneBuilder {
    public static func buildBlock<C: Scene>(_ content: C) -> C { content }
    public static func buildBlock<A: Scene, B: Scene>(_ first: A, _ second: B) -> TupleScene<A, B> {
        TupleScene()
    }
}

public struct WindowGroup<C: View>: LeafScene {
    public init<S: StringProtocol>(_ title: S, @ViewBuilder content: () -> C) {}
}
public struct MenuBarExtra<C: View>: LeafScene {
    public init<S: StringProtocol>(_ title: S, systemImage: String, @ViewBuilder content: () -> C) {
    }
}
public struct MenuBarExtraStyle: Sendable { public static let window = MenuBarExtraStyle() }
extension Scene {
    public func defaultSize(width: CGFloat, height: CGFloat) -> some Scene { ModifiedScene<Self>() }
    public func menuBarExtraStyle(_ style: MenuBarExtraStyle) -> some Scene {
        ModifiedScene<Self>()
    }
}

@MainActor @preconcurrency
public protocol App {
    associatedtype Body: Scene
    @SceneBuilder @MainActor @preconcurrency var body: Body { get }
    init()
}
extension App {
    public static func main() {}
}
