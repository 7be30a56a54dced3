import Foundation

extension Bundle {
    /// The resources of this package. In one that an export with `--swift-package` has written,
    /// the models are among them:
    ///
    ///     let classifier = try await TextClassifier(named: "FinBERT", in: .textClassifierKit)
    public static var textClassifierKit: Bundle { .module }
}
