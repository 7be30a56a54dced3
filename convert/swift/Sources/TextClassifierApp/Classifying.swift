import Foundation
import TextClassifierKit

/// What the app asks of a classifier, as `TextClassifier` documents it. Tests give another one.
public protocol Classifying: Sendable {
    var labels: [String] { get }
    func classify(_ text: String, longTexts: LongTexts) async throws -> Classification
    func classify(_ texts: [String], longTexts: LongTexts) async throws -> [Classification]
    func prepare() async throws -> Preparation
    func check(_ golden: Golden) async throws -> CheckReport
}

extension TextClassifier: Classifying {}

/// A sentence for a person about an error.
func sentence(about error: any Error) -> String {
    (error as? any LocalizedError)?.errorDescription ?? String(describing: error)
}

/// Whether a text has nothing to classify. Told by scalars: `Character` joins them.
func isBlank(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy(\.properties.isWhitespace)
}
