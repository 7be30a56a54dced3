// Declarations of AppKit that the sample app uses, to type-check it on Linux.

@MainActor
open class NSPasteboard {
    public struct PasteboardType: Sendable {
        public static let string = PasteboardType()
    }
    open class var general: NSPasteboard { NSPasteboard() }
    @discardableResult open func clearContents() -> Int { 0 }
    @discardableResult
    open func setString(_ string: String, forType dataType: PasteboardType) -> Bool { false }
}
