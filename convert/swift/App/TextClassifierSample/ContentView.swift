import SwiftUI
import TextClassifierApp
import TextClassifierKit

struct ContentView: View {
    let model: ClassifierModel

    var body: some View {
        VStack(alignment: .leading, spacing: 12) {
            ModelBar(model: model)
            if let notice = model.notice { Text(notice).foregroundStyle(.secondary) }
            TabView {
                LiveView(model: model, live: model.live).tabItem {
                    Label("Text", systemImage: "text.cursor")
                }
                TableView(model: model, table: model.table).tabItem {
                    Label("Table", systemImage: "tablecells")
                }
                CheckView(model: model, check: model.check).tabItem {
                    Label("Check", systemImage: "checkmark.seal")
                }
            }
        }
        .padding()
        .task(id: model.wish) { await model.load() }
        .dropDestination(for: URL.self) { files, _ in
            Task { await model.open(files) }
            return true
        }
    }
}

/// The pickers, and how loading goes.
struct ModelBar: View {
    @Bindable var model: ClassifierModel

    var body: some View {
        VStack(alignment: .leading, spacing: 8) {
            HStack(spacing: 12) {
                Picker("Model", selection: $model.wish.choice) {
                    ForEach(model.choices) { choice in Text(choice.name).tag(Optional(choice)) }
                }
                Picker("Runs on", selection: $model.wish.computeUnits) {
                    ForEach(ComputeUnits.allCases, id: \.self) { units in
                        Text(units.title).tag(units)
                    }
                }
            }
            HStack(spacing: 8) {
                if model.state == .loading { ProgressView().controlSize(.small) }
                Text(model.stateText).foregroundStyle(.secondary).textSelection(.enabled)
            }
        }
    }
}
