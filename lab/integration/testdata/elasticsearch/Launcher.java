import java.nio.file.Path;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.Node;

/** One node of Elasticsearch out of its published jars: Launcher HOME HTTP-PORT TRANSPORT-PORT. */
public final class Launcher {
    public static void main(String[] args) throws Exception {
        LogConfigurator.configureESLogging();
        Settings s = Settings.builder()
            .put("path.home", args[0]).put("http.port", args[1]).put("transport.port", args[2])
            .put("network.host", "127.0.0.1").put("discovery.type", "single-node")
            .put("node.name", "test").put("cluster.name", "kagami-test")
            .put("cluster.routing.allocation.disk.threshold_enabled", false).build(); // a nearly full disk is none of the test's business
        new Node(new Environment(s, Path.of(args[0], "config"))).start();
        Thread.currentThread().join();
    }
}
