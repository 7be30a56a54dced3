import Foundation
import Testing

@testable import TextClassifierApp
@testable import TextClassifierKit

@MainActor @Suite struct TableScoringTests {
    let folder: Folder
    let choice = ModelChoice(name: "FinBERT", models: [], golden: nil)

    init() throws { folder = try Folder() }

    private func opened(_ text: String, step: Int = 2) async throws -> TableScoring {
        let table = TableScoring(step: step)
        await table.open(try folder.write(text, to: "news.csv"))
        return table
    }

    @Test func theColumnsArePythons() async throws {
        let table = try await opened(
            "id,headline\n1,Orders rose.\n2, \n3,\"Orders fell,\ntwice.\"\n")
        #expect(table.textColumn == 1 && table.stateText == "news: 3 rows")
        await table.start(with: Fake())?.value
        #expect(table.state == .scored)
        let written = String(decoding: try #require(table.scored).data, as: UTF8.self)
        let expected = [
            "id,headline,predicted_label,probability_negative,probability_neutral,"
                + "probability_positive,score",
            "1,Orders rose.,positive,0.1,0.2,0.7,0.6",
            "2, ,,,,,",
            "3,\"Orders fell,\ntwice.\",negative,0.7,0.2,0.1,-0.6",
        ].map { $0 + "\r\n" }.joined()
        #expect(written == expected)
    }

    @Test func blankTextsAreNotAsked() async throws {
        let fake = Fake()
        let table = try await opened("text\n\"\"\nOrders rose.\n\" \"\n\"\t\"\n")
        await table.start(with: fake)?.value
        #expect(await fake.asked.flatMap { $0 } == ["Orders rose."])
        #expect(table.scored?.rows.map { $0[1] } == ["", "positive", "", ""])
    }

    @Test func progressIsShownAndATaskStops() async throws {
        let gate = Gate()
        let table = try await opened(
            "text\n" + (0..<7).map { "Orders rose \($0).\n" }.joined(), step: 3)
        let task = try #require(table.start(with: Fake(gate: gate)))
        #expect(table.isScoring && table.state == .scoring(done: 0, of: 7))
        // A second start has no effect.
        #expect(table.start(with: Fake()) == nil)
        await gate.reached(by: 1)
        table.cancel()
        #expect(table.state == .stopped(done: 0, of: 7))
        await gate.open()
        await task.value
        #expect(table.state == .stopped(done: 0, of: 7) && table.scored == nil)
        await table.start(with: Fake())?.value
        #expect(table.scored?.rows.count == 7)
    }

    @Test func everyPartIsShown() async throws {
        let table = try await opened(
            "text\n" + (0..<7).map { "Orders rose \($0).\n" }.joined(), step: 3)
        let fake = Fake()
        await table.start(with: fake)?.value
        #expect(await fake.asked.map(\.count) == [3, 3, 1])
        #expect(table.scored?.rows.map { $0[0] } == (0..<7).map { "Orders rose \($0)." })
    }

    @Test func anotherFileEndsTheScoringOfTheFirst() async throws {
        let gate = Gate()
        let table = try await opened("text\nOrders rose.\n")
        let task = try #require(table.start(with: Fake(gate: gate)))
        await gate.reached(by: 1)
        await table.open(try folder.write("sentence,text_id\nOrders fell.,1\n", to: "other.csv"))
        await gate.open()
        await task.value
        #expect(table.state == .opened && table.name == "other" && table.scored == nil)
    }

    @Test func theLastFileCounts() async throws {
        let table = TableScoring()
        let rows = String(repeating: "Orders rose.,1\n", count: 50_000)
        let large = try folder.write("text,id\n" + rows, to: "large.csv")
        let small = try folder.write("text\nOrders fell.\n", to: "small.csv")
        let first = Task { await table.open(large) }
        await Task.yield()
        await table.open(small)
        await first.value
        #expect(table.name == "small" && table.table?.rows == [["Orders fell."]])
    }

    @Test func anotherColumnForgetsTheResults() async throws {
        let table = try await opened("text,note\nOrders rose.,Orders fell.\n")
        await table.start(with: Fake())?.value
        table.textColumn = 1
        #expect(table.state == .opened && table.scored == nil)
        await table.start(with: Fake())?.value
        #expect(table.scored?.rows.first?[2] == "negative")
    }

    @Test func aFailedExportCanBeTriedAgain() async throws {
        let table = try await opened("text\nOrders rose.\n")
        await table.start(with: Fake())?.value
        table.fail(with: CocoaError(.fileWriteOutOfSpace))
        guard case .failed = table.state else {
            Issue.record("\(table.state)")
            return
        }
        #expect(table.scored?.rows.count == 1)
    }

    @Test(arguments: [
        ("id,Sentence\n1,a\n", 1), ("message,text\na,b\n", 1), ("x,y\nlong text,a\n", 0),
        ("x,y\na,much longer text\n", 1), ("x\n", 0),
    ])
    func theColumnOfTheTextsIsFound(text: String, column: Int) async throws {
        #expect(try await opened(text).textColumn == column)
    }

    @Test func failuresAreSentences() async throws {
        let broken = try await opened("text\n\"open\n")
        #expect(broken.state == .failed(sentence(about: CSVError.openQuote(line: 2))))
        #expect(broken.table == nil && broken.start(with: Fake()) == nil)
        let failing = try await opened("text\nOrders rose.\nbad\n")
        await failing.start(with: Fake(failing: "bad"))?.value
        #expect(failing.state == .failed(sentence(about: TextClassifierError.notFinite)))
        let model = ClassifierModel(choices: []) { _, _ in Fake() }
        await model.scoreTable()
        #expect(model.table.state == .failed(sentence(about: AppError.noModel)))
        let missing = TableScoring()
        await missing.open(folder.url.appendingPathComponent("no.csv"))
        guard case .failed(let reason) = missing.state else {
            Issue.record("\(missing.state)")
            return
        }
        #expect(!reason.isEmpty)
    }
}
