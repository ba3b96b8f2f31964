// One query in Apache Flink, inside this process: run once to see its answer and to be warm, then again
// with its rows thrown away; then the same with Apache Kafka before and behind it, as one would run it.
//
// Reads a Job as JSON from stdin; writes {"version", "answer", "alone", "stored", "log"} to stdout: the
// last row of the question, what runs over files took, what the broker took to store the events, and
// what runs over them in the broker took. A run lasts from the moment at which Flink had accepted the
// job until the job had ended. Planning, the compilation of generated code, Flink's own start and the
// producer of the events are not in it.

import com.sun.management.OperatingSystemMXBean;
import java.io.BufferedReader;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
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
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

class Run {
  /** What is asked. */
  record Job(
      Map<String, String> settings,
      List<String> tables,
      String name,
      String query,
      String question,
      int repeats,
      Log log) {}

  /** A broker, its process, the tables that read its topic, and files of events: one for each partition. */
  record Log(
      String address,
      long process,
      List<String> tables,
      List<String> files,
      String events,
      String warmUp,
      String rows) {}

  /** What a run took: processor seconds of this process, and of the broker. */
  record Took(double seconds, double cpu, double broker) {}

  public static void main(String[] args) throws Exception {
    var json = new ObjectMapper();
    var job = json.readValue(System.in, Job.class);
    var said = new HashMap<String, Object>();
    said.put("version", EnvironmentInformation.getVersion());
    var files = prepare(job, job.tables());
    said.put("answer", answer(files.executeSql(job.question())));
    said.put("alone", measure(files, job, TableDescriptor.forConnector("blackhole").build()));
    said.put("stored", store(job.log()));
    said.put("log", measure(prepare(job, job.log().tables()), job, rows(job.log())));
    json.writeValue(System.out, said);
    System.exit(0);
  }

  private static TableEnvironment prepare(Job job, List<String> tables) {
    var settings = EnvironmentSettings.newInstance().inStreamingMode();
    var flink = TableEnvironment.create(
        settings.withConfiguration(Configuration.fromMap(job.settings())).build());
    tables.forEach(flink::executeSql);
    flink.createTemporaryView(job.name(), flink.sqlQuery(job.query()));
    return flink;
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

  /** Runs the query as often as asked, after one run that only warms. */
  private static List<Took> measure(TableEnvironment flink, Job job, TableDescriptor into)
      throws Exception {
    var runs = new ArrayList<Took>();
    for (int run = 0; run <= job.repeats(); run++) {
      var system = ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
      TableResult result = flink.from(job.name()).insertInto(into).execute();
      long begin = System.nanoTime();
      long before = system.getProcessCpuTime();
      double broker = cpu(job.log());
      result.await();
      double used = (system.getProcessCpuTime() - before) / 1e9;
      double seconds = (System.nanoTime() - begin) / 1e9;
      if (run > 0) {
        runs.add(new Took(seconds, used, cpu(job.log()) - broker));
      }
    }
    return runs;
  }

  /** Where rows go: into a topic, or nowhere if they change and a topic can only be appended to. */
  private static TableDescriptor rows(Log log) {
    if (log.rows() == null) {
      return TableDescriptor.forConnector("blackhole").build();
    }
    return TableDescriptor.forConnector("kafka")
        .option("properties.bootstrap.servers", log.address())
        .option("topic", log.rows())
        // Each batch is synced: as few of them as the producer of the events makes.
        .option("properties.batch.size", "262144")
        .option("properties.linger.ms", "100")
        .option("properties.buffer.memory", "67108864")
        .format("json")
        .build();
  }

  /** Lets the broker store all events twice, and says what the second time took of it. */
  private static double store(Log log) throws Exception {
    var topics = new ArrayList<NewTopic>();
    topics.add(new NewTopic(log.warmUp(), log.files().size(), (short) 1));
    topics.add(new NewTopic(log.events(), log.files().size(), (short) 1));
    if (log.rows() != null) {
      topics.add(new NewTopic(log.rows(), log.files().size(), (short) 1));
    }
    try (var admin = Admin.create(Map.of("bootstrap.servers", log.address()))) {
      admin.createTopics(topics).all().get();
      produce(log, log.warmUp());
      admin.deleteTopics(List.of(log.warmUp())).all().get();
    }
    double before = cpu(log);
    produce(log, log.events());
    return cpu(log) - before;
  }

  /** In large batches, each acknowledged. */
  private static void produce(Log log, String topic) throws Exception {
    Map<String, Object> settings = Map.of(
        "bootstrap.servers", log.address(),
        "acks", "all",
        "batch.size", 262_144,
        "linger.ms", 20,
        "buffer.memory", 67_108_864L);
    var failed = new AtomicReference<Exception>();
    try (var producer =
        new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
      for (int partition = 0; partition < log.files().size(); partition++) {
        try (BufferedReader lines = Files.newBufferedReader(Path.of(log.files().get(partition)))) {
          for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            var event = line.getBytes(StandardCharsets.UTF_8);
            producer.send(
                new ProducerRecord<>(topic, partition, null, event),
                (stored, error) -> failed.compareAndSet(null, error));
          }
        }
      }
    }
    if (failed.get() != null) {
      throw failed.get();
    }
  }

  /** Processor seconds of the broker up to now. */
  private static double cpu(Log log) {
    var process = ProcessHandle.of(log.process()).orElseThrow();
    return process.info().totalCpuDuration().orElseThrow().toNanos() / 1e9;
  }
}
