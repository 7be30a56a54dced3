import Testing

@testable import TextClassifierKit

@Suite("Documents") struct DocumentTests {
    private let labels = LabelSet(["positive", "negative", "neutral"])

    private func document(_ rows: [[Double]]) -> Document {
        Document(
            rows.enumerated().map { index, row in
                Document.Sentence(
                    text: "sentence \(index)",
                    classification: labels.classification(row, tokens: 5, isTruncated: false))
            }, labels: labels)
    }

    @Test func summary() {
        let document = document([[0.25, 0.5, 0.25], [0.5, 0.25, 0.25], [0.75, 0, 0.25]])
        #expect(document.label == "positive")
        #expect(document.probabilities == ["positive": 0.5, "negative": 0.25, "neutral": 0.25])
        #expect(document.counts == ["positive": 2, "negative": 1, "neutral": 0])
        #expect(document.score == 0.25)
        #expect(document.strongestPositive?.text == "sentence 2")
        #expect(document.strongestNegative?.text == "sentence 0")
    }

    @Test func onlyScoresOnTheRightSideAreStrongest() {
        let document = document([[0, 0, 1], [0.5, 0.25, 0.25], [0.5, 0.25, 0.25]])
        #expect(document.strongestPositive?.text == "sentence 1")
        #expect(document.strongestNegative == nil)
    }

    @Test func aTextWithoutWords() {
        let document = document([])
        #expect(document.label == nil && document.score == nil)
        #expect(document.probabilities.isEmpty)
        #expect(document.counts == ["positive": 0, "negative": 0, "neutral": 0])
    }

    @Test func theFirstOfSeveralLabelsWins() {
        #expect(labels.label(of: [0.25, 0.375, 0.375]) == "negative")
        #expect(labels.label(of: [0.5, 0.5, 0]) == "positive")
    }

    @Test func noScoreWithoutAScale() {
        let labels = LabelSet(["sports", "business"])
        let found = labels.classification([0.25, 0.75], tokens: 3, isTruncated: true)
        #expect(found.score == nil && found.label == "business" && found.isTruncated)
    }
}
