// Declarations of UniformTypeIdentifiers that the sample app uses, to type-check it on Linux.

public struct UTType: Sendable, Hashable {
    public static var commaSeparatedText: UTType { UTType() }
    public static var plainText: UTType { UTType() }
}
