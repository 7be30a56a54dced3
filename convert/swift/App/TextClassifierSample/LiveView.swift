import SwiftUI
import TextClassifierApp

/// A text, and the probabilities of its labels while it is typed.
struct LiveView: View {
    let model: ClassifierModel
    @Bindable var live: LiveText

    var body: some View {
        VStack(alignment: .leading, spacing: 12) {
            TextField("Type or paste a text", text: $live.text, axis: .vertical)
                .lineLimit(3...8)
                .textFieldStyle(.roundedBorder)
            ForEach(live.bars) { bar in BarView(bar: bar) }
            if let note = live.note { Text(note).foregroundStyle(.secondary) }
            Spacer()
        }
        .task(id: model.question) { await model.updateLive() }
    }
}

struct BarView: View {
    let bar: Bar

    var body: some View {
        HStack(spacing: 8) {
            Text(bar.label).frame(width: 90, alignment: .leading)
            ProgressView(value: bar.probability)
            Text(bar.probability, format: .percent.precision(.fractionLength(1)))
                .monospacedDigit()
                .frame(width: 60, alignment: .trailing)
        }
        .accessibilityElement(children: .combine)
    }
}
