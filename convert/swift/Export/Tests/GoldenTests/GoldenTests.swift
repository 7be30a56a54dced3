import Foundation
import Testing
import TextClassifierKit

/// The texts of golden.json, which tokenizers disagree on, must get the ids, labels and
/// probabilities that the exported model gives them.
@Suite(.serialized) struct GoldenTests {
    @Test func everyTextGetsTheModelsResult() async throws {
        let classifier = try await TextClassifier(named: $name, in: .textClassifierKit)
        let report = try await classifier.check(golden())
        #expect(report.isPassed, "\(report)")
    }

    @Test func preparingFindsRightResults() async throws {
        let classifier = try await TextClassifier(named: $name, in: .textClassifierKit)
        let preparation = try await classifier.prepare()
        #expect(!preparation.isFallback, "\(preparation.attempts)")
    }

    private func golden() throws -> Golden {
        let file = Bundle.textClassifierKit.url(forResource: "golden", withExtension: "json")
        return try Golden(contentsOf: #require(file))
    }
}
