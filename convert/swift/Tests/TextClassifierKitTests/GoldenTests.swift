import Foundation
import Testing

@testable import TextClassifierKit

@Suite("Golden texts") struct GoldenTests {
    private let content = """
        {"labels": ["a", "b"], "lengths": [8, 16], "pad_token_id": 0, "tolerance": 0.002,
        "largest_error": 0.001, "margin": 0.001, "texts": [
        {"text": "one", "length": 8, "input_ids": [2, 4, 3], "label": "a", "is_tie": false,
        "probabilities": [0.75, 0.25]},
        {"text": "two", "length": 16, "input_ids": [2, 4, 5, 4, 5, 4, 5, 4, 3], "label": "b",
        "is_tie": true, "probabilities": [0.5, 0.5]}]}
        """

    @Test func theFileOfAnExport() throws {
        let golden = try #require(Golden(content))
        #expect(golden.labels == ["a", "b"] && golden.lengths == [8, 16])
        #expect(golden.tolerance == 0.002)
        #expect(golden.texts.map(\.isTie) == [false, true])
        #expect(golden.texts(for: 8, count: 4).map(\.text) == ["one"])
        #expect(golden.texts(for: 16, count: 1).map(\.text) == ["two"])
        #expect(golden.texts[0].error(of: [0.5, 0.5]) == 0.25)
    }

    @Test(
        "A part that is missing or wrong is found",
        arguments: [
            ("labels", "label"), ("\"tolerance\": 0.002", "\"tolerance\": 1e999"),
            ("[0.75, 0.25]", "[0.75]"), ("\"is_tie\": true", "\"is_tie\": 1"),
            ("[2, 4, 3]", "[2, 4, 99999999999]"), ("]}]}", "]}"),
        ])
    func damage(part: String, damaged: String) {
        #expect(content.contains(part))
        #expect(Golden(content.replacingOccurrences(of: part, with: damaged)) == nil)
    }

    @Test func aReportIsTextToCopy() {
        let report = CheckReport(
            texts: 76, wrongIDs: ["soft\u{ad}hyphen"], wrongLabels: [], largestError: 0.0014,
            tolerance: 0.0025, computeUnits: .all, milliseconds: [128: 4.567, 32: 1.2])
        #expect(!report.isPassed)
        #expect(
            report.description == """
                NOT passed: 76 texts on all
                different token ids: 1, such as "soft\\u{00AD}hyphen"
                different labels: none
                largest error of a probability: 0.0014, allowed: 0.0025
                32 tokens: 1.2 ms a text
                128 tokens: 4.57 ms a text
                """)
    }

    @Test func aFileThatCannotBeReadIsNamed() {
        let url = URL(fileURLWithPath: "/nowhere/golden.json")
        do {
            _ = try Golden(contentsOf: url)
            Issue.record("it was read")
        } catch {
            #expect("\(error)".hasPrefix("unreadableGolden("))
            #expect(error.localizedDescription.hasPrefix("golden.json cannot be read ("))
        }
    }
}
