import Foundation

/// What a model's file is, by its extension. A bundle's models are looked for in this order.
package enum ModelKind: String, Sendable, CaseIterable {
    /// A package that Xcode has compiled.
    case compiled = "mlmodelc"
    /// A package of Core ML.
    case package = "mlpackage"
    /// An asset of Core AI, for macOS 27 and iOS 27.
    case asset = "aimodel"

    /// The kind of a file; nil if it is no model.
    package init?(of file: URL) {
        self.init(rawValue: file.pathExtension)
    }
}
