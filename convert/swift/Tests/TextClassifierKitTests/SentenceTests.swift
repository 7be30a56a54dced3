import Testing

@testable import TextClassifierKit

@Suite("Sentences") struct SentenceTests {
    @Test(
        "A bar is where a text is cut",
        arguments: [
            "Nokia Corp. Chief Executive Rajeev Suri spoke. | Shares rose.",
            "It is No. 1 in China. | No. 2 is far behind.",
            "Yahoo! Inc. rose. | Yahoo! rose. | Great! | As expected.",
            "1. Sales grew. | 2. Costs fell. | Q1. What now? | A. Nothing.",
        ])
    func cut(example: String) {
        let expected = example.split(separator: "|").map { part in
            String(Scalars(String(part)).stripped(where: \.isSpace))
        }
        #expect(splitSentences(expected.joined(separator: " ")) == expected)
    }

    @Test func lineBreaksEndSentences() {
        #expect(splitSentences("Outlook\r\nSales will rise.") == ["Outlook", "Sales will rise."])
        #expect(splitSentences(" \n ") == [])
    }
}
