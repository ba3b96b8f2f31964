// One query in Apache Flink, inside this process: run once to see its answer and to be warm, then again
// with its rows thrown away, which is what counts.
//
// Reads {"settings", "tables", "name", "query", "question", "repeats"} as JSON from stdin; writes
// {"version", "answer", "runs"} to stdout: the last row of the question, and of each run what it took
// from the moment at which Flink had accepted the job until the job had ended. Planning, the compilation
// of generated code and Flink's own start are not in it.

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.util.EnvironmentInformation;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableDescriptor;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.types.Row;
import org.apache.flink.types.RowKind;
import org.apache.flink.util.CloseableIterator;

class Run {
  /** What is asked. */
  record Job(
      Map<String, String> settings,
      List<String> tables,
      String name,
      String query,
      String question,
      int repeats) {}

  /** What a run took. */
  record Took(double seconds, double cpu) {}

  public static void main(String[] args) throws Exception {
    var json = new ObjectMapper();
    var job = json.readValue(System.in, Job.class);
    var settings = EnvironmentSettings.newInstance().inStreamingMode();
    var flink = TableEnvironment.create(
        settings.withConfiguration(Configuration.fromMap(job.settings())).build());
    job.tables().forEach(flink::executeSql);
    flink.createTemporaryView(job.name(), flink.sqlQuery(job.query()));
    var said = new HashMap<String, Object>();
    said.put("version", EnvironmentInformation.getVersion());
    said.put("answer", answer(flink.executeSql(job.question())));
    var runs = new ArrayList<Took>();
    for (int run = 0; run < job.repeats(); run++) {
      runs.add(measure(flink, job.name()));
    }
    said.put("runs", runs);
    json.writeValue(System.out, said);
    System.exit(0);
  }

  /** The last row: what came before was true of fewer events. */
  private static List<Object> answer(TableResult result) throws Exception {
    var last = new ArrayList<Object>();
    try (CloseableIterator<Row> rows = result.collect()) {
      while (rows.hasNext()) {
        Row row = rows.next();
        if (row.getKind() == RowKind.INSERT || row.getKind() == RowKind.UPDATE_AFTER) {
          last.clear();
          for (int column = 0; column < row.getArity(); column++) {
            Object value = row.getField(column);
            last.add(value instanceof Number ? value : String.valueOf(value));
          }
        }
      }
    }
    return last;
  }

  private static Took measure(TableEnvironment flink, String name) throws Exception {
    var nowhere = TableDescriptor.forConnector("blackhole").build();
    var system = ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
    TableResult result = flink.from(name).insertInto(nowhere).execute();
    long begin = System.nanoTime();
    long before = system.getProcessCpuTime();
    result.await();
    long used = system.getProcessCpuTime() - before;
    return new Took((System.nanoTime() - begin) / 1e9, used / 1e9);
  }
}
