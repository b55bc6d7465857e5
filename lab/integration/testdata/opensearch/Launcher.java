import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.opensearch.analysis.common.CommonAnalysisPlugin;
import org.opensearch.common.settings.Settings;
import org.opensearch.index.mapper.MapperExtrasPlugin;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.transport.Netty4Plugin;

/** One node of OpenSearch out of its published jars: Launcher HOME HTTP-PORT TRANSPORT-PORT. */
public final class Launcher extends Node {
    private Launcher(Settings s, Path config) {
        super(InternalSettingsPreparer.prepareEnvironment(s, Map.of(), config, () -> "test"),
            List.of(Netty4Plugin.class, MapperExtrasPlugin.class, CommonAnalysisPlugin.class), false);
    }

    public static void main(String[] args) throws Exception {
        Settings s = Settings.builder()
            .put("path.home", args[0]).put("http.port", args[1]).put("transport.port", args[2])
            .put("network.host", "127.0.0.1").put("discovery.type", "single-node")
            .put("node.name", "test").put("cluster.name", "kagami-test").build();
        new Launcher(s, Path.of(args[0], "config")).start();
        Thread.currentThread().join();
    }
}
