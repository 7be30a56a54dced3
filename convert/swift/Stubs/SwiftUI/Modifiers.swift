import UniformTypeIdentifiers

public enum ControlSize: Sendable { case small, regular }
public struct HierarchicalStyle: Sendable { public static let secondary = HierarchicalStyle() }
public struct Selectability: Sendable { public static let enabled = Selectability() }
public struct FieldStyle: Sendable { public static let roundedBorder = FieldStyle() }
public struct AccessibilityChildBehavior: Sendable {
    public static let combine = AccessibilityChildBehavior()
}

public protocol Transferable {}
extension URL: Transferable {}

extension View {
    public func padding() -> some View { Modified<Self>() }
    public func frame(
        width: CGFloat? = nil, height: CGFloat? = nil, alignment: Alignment = .center
    ) -> some View { Modified<Self>() }
    public func frame(
        maxWidth: CGFloat? = nil, maxHeight: CGFloat? = nil, alignment: Alignment = .center
    ) -> some View { Modified<Self>() }
    public func tabItem<V: View>(@ViewBuilder _ label: () -> V) -> some View { Modified<Self>() }
    public func tag<V: Hashable>(_ tag: V) -> some View { Modified<Self>() }
    public func controlSize(_ controlSize: ControlSize) -> some View { Modified<Self>() }
    public func foregroundStyle(_ style: HierarchicalStyle) -> some View { Modified<Self>() }
    public func textSelection(_ selectability: Selectability) -> some View { Modified<Self>() }
    public func textFieldStyle(_ style: FieldStyle) -> some View { Modified<Self>() }
    public func lineLimit(_ limit: ClosedRange<Int>) -> some View { Modified<Self>() }
    public func monospaced() -> some View { Modified<Self>() }
    public func disabled(_ disabled: Bool) -> some View { Modified<Self>() }
    public func accessibilityElement(children: AccessibilityChildBehavior) -> some View {
        Modified<Self>()
    }
    public func task<T: Equatable>(
        id: T, @_inheritActorContext _ action: @escaping @Sendable () async -> Void
    ) -> some View { Modified<Self>() }
    public func dropDestination<T: Transferable>(
        for payloadType: T.Type, action: @escaping ([T], CGPoint) -> Bool
    ) -> some View { Modified<Self>() }
    public func fileImporter(
        isPresented: Binding<Bool>, allowedContentTypes: [UTType],
        onCompletion: @escaping (Result<URL, any Error>) -> Void
    ) -> some View { Modified<Self>() }
    public func fileExporter<D: FileDocument>(
        isPresented: Binding<Bool>, document: D?, contentType: UTType,
        defaultFilename: String? = nil,
        onCompletion: @escaping (Result<URL, any Error>) -> Void
    ) -> some View { Modified<Self>() }
}

// MARK: - Files

public final class FileWrapper {
    public let regularFileContents: Data?
    public init(regularFileWithContents contents: Data) { regularFileContents = contents }
}
public struct FileDocumentReadConfiguration { public let file: FileWrapper }
public struct FileDocumentWriteConfiguration {}
public protocol FileDocument: Sendable {
    typealias ReadConfiguration = FileDocumentReadConfiguration
    typealias WriteConfiguration = FileDocumentWriteConfiguration
    static var readableContentTypes: [UTType] { get }
    init(configuration: ReadConfiguration) throws
    func fileWrapper(configuration: WriteConfiguration) throws -> FileWrapper
}
extension URL {
    public func startAccessingSecurityScopedResource() -> Bool { false }
    public func stopAccessingSecurityScopedResource() {}
}
