import Testing

@testable import TextClassifierKit

@Suite("Scales of sentiments") struct SentimentScaleTests {
    @Test(arguments: [
        (["negative", "neutral", "positive"], [-1.0, 0, 1]),
        (["Bullish", "BEARISH"], [1, -1]),
        (["sell", "hold", "buy", "strong buy", "strong_sell"], [-0.5, 0, 0.5, 1, -1]),
        (["5 stars", "1 star", "2 stars", "3 stars", "4 stars"], [1, -1, -0.5, 0, 0.5]),
    ])
    func known(labels: [String], positions: [Double]) {
        #expect(SentimentScale(labels)?.positions == positions)
    }

    @Test(arguments: [["negative", "mixed", "positive"], ["positive", "neutral"], ["a"], []])
    func unknown(labels: [String]) {
        #expect(SentimentScale(labels) == nil)
    }

    @Test func theScoreIsTheExpectedPosition() {
        let scale = SentimentScale(["positive", "negative", "neutral"])
        #expect(scale?.score([0.5, 0.25, 0.25]) == 0.25)
    }
}
