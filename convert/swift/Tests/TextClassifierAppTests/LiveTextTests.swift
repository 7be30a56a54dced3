import Testing

@testable import TextClassifierApp
@testable import TextClassifierKit

@MainActor @Suite struct LiveTextTests {
    let choice = ModelChoice(name: "FinBERT", models: [], golden: nil)

    private func model(_ fake: Fake, rest: Gate? = nil) -> ClassifierModel {
        let live = LiveText {
            await rest?.pass()
            try Task.checkCancellation()
        }
        return ClassifierModel(choices: [choice], live: live) { _, _ in fake }
    }

    @Test func theBarsAreTheLargestFirst() async {
        let model = model(Fake())
        model.live.text = "Orders rose."
        await model.updateLive()
        #expect(model.live.bars.map(\.label) == ["positive", "neutral", "negative"])
        #expect(model.live.bars.map(\.probability) == [0.7, 0.2, 0.1])
        #expect(model.live.note == "12 tokens, score +0.600")
        model.live.text = "The meeting is in Helsinki."
        await model.updateLive()
        // Equal ones by label.
        #expect(model.live.bars.map(\.label) == ["neutral", "negative", "positive"])
    }

    @Test func aCutTextIsSaidToBeCut() async {
        let model = model(Fake())
        model.live.text = "Orders rose, and rose again, and then they rose once more."
        await model.updateLive()
        #expect(model.live.note?.contains("the end was not read") == true)
    }

    @Test func aBlankTextHasNoResult() async {
        let fake = Fake()
        let model = model(fake)
        model.live.text = "Orders rose."
        await model.updateLive()
        model.live.text = " \u{2003}\r\n"
        await model.updateLive()
        #expect(model.live.bars.isEmpty && model.live.note == nil)
        #expect(await fake.asked == [["Orders rose."]])
    }

    @Test func onlyTheTextAtRestIsClassified() async {
        let (fake, rest) = (Fake(), Gate())
        let model = model(fake, rest: rest)
        // As `.task(id:)` does: each change cancels the task of the one before.
        var task: Task<Void, Never>?
        for (i, text) in ["O", "Or", "Orders", "Orders rose."].enumerated() {
            task?.cancel()
            model.live.text = text
            task = Task { await model.updateLive() }
            await rest.reached(by: i + 1)
        }
        await rest.open()
        await task?.value
        #expect(await fake.asked == [["Orders rose."]])
        #expect(model.live.result?.label == "positive")
    }

    @Test func typingRestsFor150Milliseconds() async {
        let model = ClassifierModel(choices: [choice]) { _, _ in Fake() }
        model.live.text = "Orders rose."
        let start = ContinuousClock.now
        await model.updateLive()
        #expect(model.live.result != nil && start.duration(to: .now) >= .milliseconds(150))
    }

    @Test func aStaleResultIsDropped() async {
        let gate = Gate()
        let model = model(Fake(gate: gate))
        model.live.text = "Orders fell."
        let task = Task { await model.updateLive() }
        await gate.reached(by: 1)
        model.live.text = "Orders rose."
        await gate.open()
        await task.value
        #expect(model.live.result == nil)
        await model.updateLive()
        #expect(model.live.result?.label == "positive")
    }

    @Test func textsThatLookAlikeAreDifferentQuestions() {
        let model = model(Fake())
        model.live.text = "é"
        let before = model.question
        model.live.text = "e\u{301}"
        #expect(model.question != before)
    }

    @Test func aFailureIsShownUntilTheNextResult() async {
        let model = model(Fake(failing: "Orders fell."))
        model.live.text = "Orders fell."
        await model.updateLive()
        #expect(model.live.failure == TextClassifierError.notFinite.errorDescription)
        #expect(model.live.note == model.live.failure)
        model.live.text = "Orders rose."
        await model.updateLive()
        #expect(model.live.failure == nil && model.live.result != nil)
    }
}
