import Foundation
import Testing

@testable import TextClassifierApp
@testable import TextClassifierKit

/// Counts loads, and fails the first ones.
private actor Loads {
    private(set) var asked: [String] = []
    private var failures: Int

    init(failures: Int = 0) { self.failures = failures }

    func load(_ choice: ModelChoice, _ units: ComputeUnits) throws {
        asked.append("\(choice.name) \(units.rawValue)")
        failures -= 1
        if failures >= 0 { throw TextClassifierError.noModel(named: choice.name) }
    }
}

@MainActor @Suite struct ClassifierModelTests {
    private let first = ModelChoice(
        name: "A", models: [URL(fileURLWithPath: "/A.mlmodelc")], golden: nil)
    private let second = ModelChoice(
        name: "B", models: [URL(fileURLWithPath: "/B.mlmodelc")], golden: nil)

    private func model(_ loads: Loads = Loads(), fake: Fake = Fake()) -> ClassifierModel {
        ClassifierModel(choices: [first, second]) { choice, units in
            try await loads.load(choice, units)
            return fake
        }
    }

    @Test func loadingPreparesAndTellsTheTime() async {
        let fake = Fake()
        let model = model(fake: fake)
        #expect(model.state == .loading)
        await model.load()
        guard case .ready(let seconds, nil) = model.state else {
            Issue.record("\(model.state)")
            return
        }
        #expect(seconds > 0)
        #expect(model.stateText == String(format: "Ready after %.1f s", seconds))
        #expect(await fake.preparations == 1)
    }

    @Test func otherProcessorsAreNamed() async {
        let model = model(fake: Fake(fallback: true))
        await model.load()
        #expect(model.stateText.hasSuffix("it runs on: CPU and GPU."))
    }

    @Test func aClassifierIsMadeOnceWhoeverAsks() async throws {
        let loads = Loads()
        let model = model(loads)
        model.live.text = "Orders rose."
        async let loading: Void = model.load()
        async let live: Void = model.updateLive()
        async let intent = model.classify("Orders fell.")
        _ = try await (loading, live, intent)
        #expect(try await intent.label == "negative")
        #expect(await loads.asked == ["A all"])
    }

    @Test func aFailedLoadIsShownAndTriedAgain() async throws {
        let loads = Loads(failures: 1)
        let model = model(loads)
        await model.load()
        #expect(model.state == .failed(sentence(about: TextClassifierError.noModel(named: "A"))))
        #expect(try await model.classify("Orders rose.").label == "positive")
        #expect(await loads.asked.count == 2)
    }

    @Test func anotherWishIsLoaded() async {
        let loads = Loads()
        let model = model(loads)
        await model.load()
        model.wish.computeUnits = .cpuOnly
        await model.load()
        model.wish.choice = second
        await model.load()
        #expect(await loads.asked == ["A all", "A cpuOnly", "B cpuOnly"])
    }

    @Test func theStateIsThatOfTheLastWish() async {
        let gate = Gate()
        let slow = Fake(gate: gate, fallback: true)
        let quick = Fake()
        let model = ClassifierModel(choices: [first, second]) { choice, _ in
            choice.name == "A" ? slow : quick
        }
        let earlier = Task { await model.load() }
        await gate.reached(by: 1)
        model.wish.choice = second
        await model.load()
        let ready = model.state
        await gate.open()
        await earlier.value
        #expect(model.state == ready)
    }

    @Test func aWindowThatClosesLeavesNoFailure() async {
        let gate = Gate()
        let model = model(fake: Fake(gate: gate))
        let task = Task { await model.load() }
        await gate.reached(by: 1)
        task.cancel()
        await gate.open()
        await task.value
        #expect(model.state == .loading)
        await model.load()
        #expect(model.stateText.hasPrefix("Ready"))
    }

    @Test func withoutAModelThereIsASentence() async {
        let model = ClassifierModel(choices: []) { _, _ in Fake() }
        await model.load()
        #expect(model.state == .failed(sentence(about: AppError.noModel)))
    }

    // MARK: - Dropped files

    @Test func theFolderOfAnExportIsTaken() async throws {
        let folder = try Folder()
        for name in ["FinBERT-32.mlpackage", "FinBERT-128.mlpackage"] {
            _ = try folder.makeFolder(name)
        }
        let golden = try folder.write("{}", to: "golden.json")
        let model = model()
        await model.open([folder.url])
        let choice = try #require(model.wish.choice)
        #expect(
            choice.name == "FinBERT" && choice.golden?.lastPathComponent == golden.lastPathComponent
        )
        #expect(
            choice.models.map(\.lastPathComponent) == [
                "FinBERT-128.mlpackage", "FinBERT-32.mlpackage",
            ])
        #expect(model.choices.map(\.name) == ["A", "B", "FinBERT"])
        await model.open([folder.url])
        #expect(model.choices.count == 3 && model.notice == nil)
    }

    @Test func packagesAndTablesAreTakenToo() async throws {
        let folder = try Folder()
        let files = [
            try folder.makeFolder("X.aimodel"),
            try folder.write("text\nOrders rose.\n", to: "n.CSV"),
        ]
        let model = model()
        await model.open(files)
        #expect(model.wish.choice?.name == "X" && model.wish.choice?.golden == nil)
        #expect(model.table.state == .opened && model.table.name == "n")
    }

    @Test func anythingElseIsAnsweredWithASentence() async throws {
        let folder = try Folder()
        let model = model()
        await model.open([try folder.write("", to: "picture.png")])
        #expect(model.notice?.contains("CSV") == true && model.wish.choice == first)
    }

    @Test func modelsAreGroupedByTheNameOfTheirExport() {
        let names = [
            "B.mlpackage", "A-64.mlpackage", "A-32.mlmodelc", "A-32.mlpackage", "x-y.mlpackage",
            "z-.mlmodelc", "notes.txt",
        ]
        let found = ModelChoice.found(among: names.map { URL(fileURLWithPath: "/\($0)") })
        #expect(found.map(\.name) == ["A", "B", "x-y", "z-"])
        #expect(found[0].models.map(\.lastPathComponent) == ["A-32.mlmodelc", "A-64.mlpackage"])
    }

    @Test func anAssetIsAChoiceOfItsOwn() {
        let names = ["A-64.mlpackage", "A-32.mlpackage", "A.aimodel", "B-2.aimodel"]
        let found = ModelChoice.found(among: names.map { URL(fileURLWithPath: "/\($0)") })
        #expect(found.map(\.name) == ["A", "A (Core AI)", "B-2"])
        #expect(found.map(\.models.count) == [2, 1, 1])
        #expect(found[1].models[0].lastPathComponent == "A.aimodel")
    }

    // MARK: - Check

    @Test func theCheckIsTextToCopy() async throws {
        let folder = try Folder()
        let golden = """
            {"labels": ["a"], "lengths": [32], "tolerance": 0.1, "texts": [{"text": "x", \
            "length": 32, "input_ids": [1], "label": "a", "is_tie": false, "probabilities": [1]}]}
            """
        let url = try folder.write(golden, to: "golden.json")
        let choice = ModelChoice(name: "FinBERT", models: [], golden: url)
        let model = ClassifierModel(choices: [choice]) { _, _ in Fake() }
        await model.runCheck()
        #expect(!model.check.isRunning)
        let lines = model.check.text.split(separator: "\n").map(String.init)
        #expect(lines[0].hasPrefix("FinBERT") && lines.contains { $0.contains("0.5") })
        #expect(model.check.text.contains("1.5 ms") && lines.last?.contains("cores") == true)
    }

    @Test func aCheckWithoutGoldenTextsSaysSo() async {
        let model = model()
        await model.runCheck()
        #expect(model.check.text == AppError.noGolden.errorDescription)
    }
}
