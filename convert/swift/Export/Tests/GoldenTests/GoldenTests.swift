import Foundation
import Testing
import TextClassifierApp
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

    @available(macOS 14, iOS 17, *)
    @MainActor @Test func theSampleAppFindsTheModelsAndPassesItsCheck() async throws {
        let model = ClassifierModel(choices: ModelChoice.bundled)
        #expect(model.choices.map(\.name) == [$name])
        await model.load()
        #expect(model.stateText.hasPrefix("Ready"), "\(model.stateText)")
        model.live.text = "Orders rose 12 %."
        await model.updateLive()
        #expect(try Set(model.live.bars.map(\.label)) == Set(golden().labels))
        await model.runCheck()
        #expect(model.check.text.contains(", passed: "), "\(model.check.text)")
    }

    private func golden() throws -> Golden {
        let file = Bundle.textClassifierKit.url(forResource: "golden", withExtension: "json")
        return try Golden(contentsOf: #require(file))
    }
}
