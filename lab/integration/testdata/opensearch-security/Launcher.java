import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.opensearch.analysis.common.CommonAnalysisPlugin;
import org.opensearch.common.settings.Settings;
import org.opensearch.index.mapper.MapperExtrasPlugin;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.painless.PainlessPlugin;
import org.opensearch.security.OpenSearchSecurityPlugin;
import org.opensearch.transport.Netty4Plugin;

/** One node of OpenSearch with its security plugin: Launcher HOME HTTP-PORT TRANSPORT-PORT. HOME/config has
    ca.pem, node.pem and node.key of the subject CN=localhost, and the plugin's first users and roles. */
public final class Launcher extends Node {
    private Launcher(Settings s, Path config) {
        super(InternalSettingsPreparer.prepareEnvironment(s, Map.of(), config, () -> "test"),
            List.of(MapperExtrasPlugin.class, CommonAnalysisPlugin.class, PainlessPlugin.class, Netty4Plugin.class, OpenSearchSecurityPlugin.class), false);
    }

    public static void main(String[] args) throws Exception {
        Settings.Builder b = Settings.builder()
            .put("path.home", args[0]).put("http.port", args[1]).put("transport.port", args[2])
            .put("network.host", "127.0.0.1").put("discovery.type", "single-node")
            .put("node.name", "test").put("cluster.name", "kagami-test")
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .put("plugins.security.ssl.transport.enforce_hostname_verification", false)
            .put("plugins.security.ssl.http.enabled", true)
            .put("plugins.security.allow_default_init_securityindex", true)
            .put("plugins.security.audit.type", "noop")
            .putList("plugins.security.nodes_dn", "CN=localhost")
            .putList("plugins.security.restapi.roles_enabled", "all_access");
        for (String layer : List.of("transport", "http")) {
            b.put("plugins.security.ssl." + layer + ".pemcert_filepath", "node.pem")
                .put("plugins.security.ssl." + layer + ".pemkey_filepath", "node.key")
                .put("plugins.security.ssl." + layer + ".pemtrustedcas_filepath", "ca.pem");
        }
        new Launcher(b.build(), Path.of(args[0], "config")).start();
        Thread.currentThread().join();
    }
}
